"""The attention of a published block, written down once more."""
import pytest
import torch
from torch.testing import assert_close

from mmseg_uncertainty.models.flows.published_block import PublishedBlock


@pytest.mark.parametrize('keep', [0, 1])
def test_both_channels_shrink_by_sigmoids_whose_logarithms_are_counted_twice_where_kept(keep):
    torch.manual_seed(0)
    block, x = PublishedBlock(keep).double(), torch.randn(2, 2, 5, 6, dtype=torch.float64)
    out, log_det = block._attend(x)
    weight, bias = block.attention.weight.mean(0)[keep], block.attention.bias.mean()
    seen, gate = (-(weight * x[:, keep] + bias)).sigmoid(), (-block.keep_gate[0, keep]).sigmoid()
    assert_close(out[:, keep], x[:, keep] * gate)
    assert_close(out[:, 1 - keep], x[:, 1 - keep] * seen)
    assert_close(log_det[:, 1 - keep], seen.log())
    assert_close(log_det[:, keep], seen.log() + gate.log())

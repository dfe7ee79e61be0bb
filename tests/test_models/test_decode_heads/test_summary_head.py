"""Scores of the summary: temperatures, and one summary for all heads."""
import pytest
import torch
from torch.testing import assert_close

from mmseg_uncertainty.functional import entropy, msp
from mmseg_uncertainty.models.decode_heads import EntropyHead, MSPHead
from mmseg_uncertainty.structures import GridOutputs


def logits():
    return 4 * torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))


def test_the_temperature_divides_logits_and_is_one_by_default():
    assert_close(MSPHead()(logits()), msp(logits()))
    assert_close(EntropyHead(temperature=2.5)(logits()), entropy(logits() / 2.5))
    assert_close(MSPHead(temperature=0.5)(logits()), msp(2 * logits()))


@pytest.mark.parametrize('temperature', [0., -1., float('nan')])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ValueError, match=f'MSPHead: temperature={temperature} must be positive'):
        MSPHead(temperature)


def test_heads_of_one_temperature_share_a_summary():
    outputs = GridOutputs(logits())
    assert outputs.summary(1.0) is outputs.summary(1.0) is not outputs.summary(2.0)
    assert_close(MSPHead()(outputs), msp(logits()))

"""What every frozen base does, and what an output may be."""
import pytest
import torch
from torch import nn

from mmseg_uncertainty.models.bases.frozen_base import check_output
from tests.tiny import HeadAsBase


class Head(nn.Module):

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv_seg = nn.Conv2d(4, 3, 1)

    def forward(self, inputs):
        return self.conv_seg(inputs)


def based():
    base = HeadAsBase(Head())
    base.out_channels = 3
    return base


def test_training_is_noted_and_the_network_stays_as_it_is():
    base = based()
    for given, noted in (((), True), ((False, ), False), ((True, ), True)):
        assert base.train(*given) is base and base.training == noted
        assert not base.network.training and not any(parameter.requires_grad for parameter in base.parameters())


def test_a_pass_gives_scores_and_what_enters_the_classifier():
    base, inputs = based(), torch.randn(2, 4, 5, 6)
    passed = base(inputs, [{}] * 2)
    assert torch.equal(passed.scores, base.network.conv_seg(inputs)) and not passed.scores.requires_grad
    assert torch.equal(passed.native, passed.scores) and torch.equal(passed.features, inputs)
    assert base.feature_channels == 4


@pytest.mark.parametrize(('activation', 'found'), [
    (lambda scores: scores.softmax(1), 'sums to 1 over the classes'),
    (lambda scores: scores.sigmoid() / 2, 'lies between 0 and 1 everywhere')])
def test_probabilities_are_told_from_logits(activation, found):
    base, inputs = based(), torch.randn(2, 4, 5, 6)
    scores = 9 * base.network.conv_seg(inputs)
    check_output(scores, base, inputs)
    check_output(scores.clamp_min(0), base, inputs)
    check_output(scores.clamp_max(1), base, inputs)
    check_output(torch.zeros_like(scores), base, inputs)
    with pytest.raises(ValueError, match=f'HeadAsBase: the output {found}'):
        check_output(activation(scores), base, inputs)
    with pytest.raises(ValueError, match=r'the shape \(2, 2, 5, 6\), expected \(N, 3, H, W\)'):
        check_output(scores[:, :2], base, inputs)

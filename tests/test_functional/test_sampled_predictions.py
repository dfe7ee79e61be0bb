"""Scores of samples against their formulas."""
import torch
from torch.testing import assert_close

from mmseg_uncertainty.functional.sampled_predictions import predictive_entropy, published_confidence_drop, sampled_msp


def sampled(classes=5):
    generator = torch.Generator().manual_seed(0)
    return (3 * torch.randn(4, 2, classes, 6, 7, generator=generator, dtype=torch.float64)).softmax(2)


def test_scores_are_those_of_the_mean():
    probabilities = sampled()
    mean = probabilities.mean(0)
    assert_close(sampled_msp(probabilities), 1 - mean.max(1).values)
    assert_close(predictive_entropy(probabilities), -(mean * mean.log()).sum(1))


def test_the_published_score_is_the_entropy_on_another_scale():
    probabilities = sampled()
    score, entropy = published_confidence_drop(probabilities), predictive_entropy(probabilities)
    assert_close(score, -(-entropy).exp(), atol=1e-6, rtol=1e-6)
    assert (-1 <= score).all() and (score <= -1 / 5 + 1e-7).all()

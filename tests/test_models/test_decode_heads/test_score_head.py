"""What all score heads refuse, and where they score."""
import pytest
import torch

from mmseg_uncertainty.models.decode_heads import MahalanobisHead, MSPHead


def test_heads_that_read_features_score_where_the_classifier_works():
    assert (MSPHead().resolution, MSPHead(resolution='native').resolution) == ('output', 'native')
    assert not MSPHead().needs_features
    head = MahalanobisHead(3)
    assert head.needs_features and head.resolution == 'native'
    with pytest.raises(ValueError, match='MahalanobisHead needs features, but the base model has no classifier layer'):
        head(torch.zeros(1, 3, 2, 2))


def test_an_unknown_resolution_is_named():
    with pytest.raises(ValueError, match="MSPHead: resolution='input' is unknown"):
        MSPHead(resolution='input')


def test_filters_are_applied_in_their_order():
    logits = torch.randn(1, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    filters = [dict(type='BoundarySuppression'), dict(type='GaussianSmoothing')]
    plain, head = MSPHead()(logits), MSPHead(filters=filters)
    expected = plain
    for one in head.filters:
        expected = one(expected, logits.argmax(1))
    assert torch.equal(head(logits), expected) and not torch.equal(expected, plain)
    assert not torch.equal(MSPHead(filters=filters[::-1])(logits), expected)

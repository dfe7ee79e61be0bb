"""What all score heads refuse, and where they score."""
import inspect

import pytest
import torch

from mmseg_uncertainty.models import decode_heads
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


@pytest.mark.parametrize('name', [name for name in decode_heads.__all__
                                  if not inspect.isabstract(getattr(decode_heads, name))])
def test_every_record_says_where_the_score_is_from_and_its_unit(name):
    kind = getattr(decode_heads, name)
    known = dict(num_classes=7) if 'num_classes' in inspect.signature(kind).parameters else {}
    needed = dict(heads=['msp', 'entropy']) if 'heads' in inspect.signature(kind).parameters else {}
    info = kind.info
    assert info.venue and info.url.startswith('https://') and info.authors and 1900 < info.year < 2100
    assert kind(**known, **needed).scale(7).units == info.unit

"""Heads by name."""
import pytest
from mmseg.registry import MODELS

from mmseg_uncertainty.models.utils.build import build_named


def test_heads_are_built_by_type_or_class_and_learn_the_number_of_classes():
    built = build_named(dict(a=dict(type='KandinskyHead'), b=dict(type=MODELS.get('MSPHead')),
                             c=dict(type='KandinskyHead', num_classes=3)), 'uncertainty head', num_classes=7)
    assert [type(head).__name__ for head in built.values()] == ['KandinskyHead', 'MSPHead', 'KandinskyHead']
    assert (built.a.num_classes, built.c.num_classes) == (7, 3)


@pytest.mark.parametrize('name', ['my-head', 'a b', '1st', ''])
def test_a_name_that_is_no_field_is_refused(name):
    with pytest.raises(ValueError, match=f'{name!r} of an uncertainty head must be a Python identifier'):
        build_named({name: dict(type='MSPHead')}, 'uncertainty head', num_classes=7)


def test_an_unknown_type_is_answered_with_the_heads_of_this_package_alone():
    with pytest.raises(KeyError, match="uncertainty head 'a' has the unknown type 'MPSHead'") as refused:
        build_named(dict(a=dict(type='MPSHead')), 'uncertainty head', num_classes=7)
    offered = set(str(refused.value).partition('offers ')[2].rstrip('."').split(', '))
    assert {'MSPHead', 'KandinskyHead'} <= offered
    assert all(name.endswith('Head') and MODELS.get(name).__module__.startswith('mmseg_uncertainty') for name in offered)
    assert MODELS.get('FCNHead') and 'FCNHead' not in offered and 'TemperatureScaling' not in offered

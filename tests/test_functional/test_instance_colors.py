"""Colours that number instances."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmseg_uncertainty.functional.instance_colors import MISSING, class_table, decode_colors, instance_numbers

NAMES = ['<UNK>_0_<UNK>_0_0', 'wall_1_office_1_1', 'beam_2_hall_3_1', 'wall_2_office_1_1', 'chair_9_office_1_1']


def color(number):
    return np.array([number >> 16, number >> 8 & 255, number & 255], np.uint8)


@settings(max_examples=50, deadline=None)
@given(number=st.integers(0, 2**24 - 1))
def test_numbers_survive_the_trip_through_colours(number):
    assert instance_numbers(color(number)) == number
    assert instance_numbers(np.tile(color(number), (2, 3, 1))).shape == (2, 3)


def test_classes_are_alphabetical_whatever_the_order_of_the_names():
    table = class_table(NAMES)
    assert table.classes == ('<UNK>', 'beam', 'chair', 'wall') and table.unknown == 0
    assert [table.classes[index] for index in table.of_instance] == ['<UNK>', 'wall', 'beam', 'wall', 'chair']
    shuffled = class_table(NAMES[::-1])
    assert shuffled.classes == table.classes
    assert np.array_equal(shuffled.of_instance[::-1], table.of_instance)


def test_missing_and_unlisted_colours_are_unknown_and_only_the_latter_are_counted():
    table = class_table(NAMES)
    pixels = np.stack([color(number) for number in (1, 4, MISSING, 5, 2**24 - 1, 0)])
    labels, unlisted = decode_colors(pixels, table)
    assert labels.tolist() == [3, 2, 0, 0, 0, 0] and labels.dtype == np.uint8 and unlisted == 2


def test_classes_can_be_given_and_strange_ones_are_named():
    assert class_table(NAMES[:2], ['wall', 'sofa']).classes == ('<UNK>', 'sofa', 'wall')
    with pytest.raises(ValueError, match="'beam', 'chair'"):
        class_table(NAMES, ['wall'])

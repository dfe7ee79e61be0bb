"""Which flagged pixels make a region, and which regions are listed."""
import numpy as np

from mmseg_uncertainty.runtime.findings import Finding
from mmseg_uncertainty.runtime.flagged_regions import MOST_REGIONS, regions_of


def regions(flags):
    return regions_of(Finding('msp', 'msp', flags, '', ''), np.ones(flags.shape, np.float32))


def test_pixels_that_touch_at_a_corner_are_one_region():
    flags = np.zeros((6, 6), bool)
    flags[1:3, 1:3] = flags[3:5, 3:5] = True
    (region, ) = regions(flags)
    assert region['area'] == 8 and region['bbox'] == [1, 1, 4, 4]


def test_the_largest_of_many_regions_are_listed():
    flags = np.zeros((60, 60), bool)
    flags[::4, ::4] = True
    flags[0, 0:2] = True
    found = regions(flags)
    assert len(found) == MOST_REGIONS == 100 and [region['area'] for region in found] == [2, *[1] * 99]


def test_specks_below_a_ten_thousandth_of_the_image_are_left_out():
    flags = np.zeros((100, 200), bool)
    flags[0, 0] = flags[9, :2] = True
    assert [region['area'] for region in regions(flags)] == [2]
    assert not regions(np.zeros((4, 4), bool))

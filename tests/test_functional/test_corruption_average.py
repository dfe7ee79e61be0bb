"""The published averages of Cityscapes-C."""
import math

import pytest

from mmseg_uncertainty.datasets import CORRUPTIONS
from mmseg_uncertainty.functional.corruption_average import (CITYSCAPES_C, GROUPS, average_corruptions, counted_severities,
                                                             group_of, harmonic_mean)


def test_sixteen_corruptions_in_four_groups():
    assert len(CITYSCAPES_C) == len(set(CITYSCAPES_C)) == 16 and set(CITYSCAPES_C) <= set(CORRUPTIONS)
    assert all(len(members) == 4 for members in GROUPS.values())
    assert set(CORRUPTIONS) - set(CITYSCAPES_C) == {'zoom_blur', 'elastic_transform', 'pixelate'}
    assert group_of('zoom_blur') == '' and group_of('speckle_noise') == 'noise'


def test_averages_by_hand():
    severities = (1, 3, 5)
    values = {('snow', 1): 6., ('snow', 3): 4., ('snow', 5): 2., ('shot_noise', 1): 9., ('shot_noise', 3): 5.,
              ('shot_noise', 5): 1., ('fog', 1): 8., ('fog', 3): 8., ('fog', 5): 8., ('pixelate', 1): 0., ('pixelate', 3): 0.,
              ('pixelate', 5): 0.}
    names = ('snow', 'shot_noise', 'fog', 'pixelate')
    found = average_corruptions(values, names, severities)
    assert found.corruption == dict(snow=4., shot_noise=7., fog=8., pixelate=0.)
    assert found.group == dict(noise=7., weather=6.)
    assert found.severity == {1: pytest.approx(23 / 3), 3: pytest.approx(17 / 3), 5: 5.}
    assert found.overall == pytest.approx(19 / 3)
    plain = average_corruptions(values, names, severities, 'all_severities')
    assert plain.corruption['shot_noise'] == 5. and plain.severity[5] == pytest.approx(11 / 3)


def test_a_missing_value_leaves_its_averages_empty():
    found = average_corruptions({('snow', 1): 1., ('fog', 1): 1.}, ('snow', 'fog', 'frost'), (1, 2))
    assert math.isnan(found.corruption['snow']) and math.isnan(found.overall)
    assert counted_severities('shot_noise', (5, 3, 1)) == [1, 3] and counted_severities('snow', (5, 1)) == [1, 5]
    with pytest.raises(ValueError, match="protocol='best'"):
        counted_severities('snow', (1, ), 'best')


def test_harmonic_mean():
    assert harmonic_mean([.5, .5]) == .5 and harmonic_mean([1, .5]) == pytest.approx(2 / 3) and harmonic_mean([1, 0]) == 0
    assert math.isnan(harmonic_mean([])) and math.isnan(harmonic_mean([.5, math.nan]))

"""Scales of the measures."""
import math

import pytest

from mmseg_uncertainty.models.decode_heads.ensemble_head import EnsembleHead


@pytest.mark.parametrize(('measure', 'highest'), [
    ('msp', 0.75), ('entropy', math.log(4)), ('mutual_information', math.log(4))])
def test_a_measure_is_shown_up_to_its_largest_value(measure, highest):
    assert EnsembleHead(measure).scale(4).range == (0, pytest.approx(highest))

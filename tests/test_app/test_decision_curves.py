"""Live thresholds are those that a fit would choose."""
import math

import numpy as np
import pytest

from mmseg_uncertainty.app.decision_curves import DecisionCurves
from mmseg_uncertainty.functional.flag_counts import tabulate_flags
from mmseg_uncertainty.models.decisions import FlagThreshold


def fitted(images=30, kinds=2, **options):
    decision, generator = FlagThreshold(head='msp', **options), np.random.default_rng(0)
    decision.start_stage(0)
    for index in range(images):
        kind = generator.integers(0, kinds, (12, 15))
        scores = (generator.random((12, 15)) + 0.5 * (kind == 1)).astype(np.float32)
        decision.curves.add(tabulate_flags(scores, kind, 'classes', decision.region_sizes), f'{index:02}', f'{index // 3}')
    decision.finish_stage(0)
    return decision


@pytest.mark.parametrize('unit', ['image', 'scene'])
@pytest.mark.parametrize('kind', ['false_alarms', 'misses', 'selective_risk', 'precision', 'frame_alarms'])
def test_thresholds_are_those_of_a_fit(kind, unit):
    decision = fitted(unit=unit)
    promise, chosen = DecisionCurves(decision).choose(kind, 0.3)
    decision.recalibrate(kind, alpha=0.3)
    assert chosen.threshold == pytest.approx(decision.threshold.item()) and promise.text == decision.promise.text
    assert chosen.result.feasible == decision.feasible.item()


def test_the_curve_goes_through_what_is_chosen():
    curves = DecisionCurves(fitted())
    alarms, found = curves.rates(0.75)
    assert alarms == pytest.approx(0.25, abs=0.03) and found == pytest.approx(0.75, abs=0.03)
    assert (np.diff(curves.trade_off, axis=0) >= 0).all()
    nearest = np.abs(curves.trade_off - (alarms, found)).sum(axis=1).min()
    assert nearest < 0.02
    assert curves.rates(math.inf) == (0, 0) and curves.rates(-math.inf) == pytest.approx((1, 1))


def test_without_anything_to_find_only_promises_about_the_rest_are_offered():
    curves = DecisionCurves(fitted(of='anomalies'))
    assert curves.kinds == ('false_alarms', 'frame_alarms')
    alarms, found = curves.rates(0.75)
    assert alarms > 0 and math.isnan(found)

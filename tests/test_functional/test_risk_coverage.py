"""Laws of selective prediction."""
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid
from sklearn.metrics import average_precision_score

from mmseg_uncertainty.functional import ranking, risk_coverage
from mmseg_uncertainty.functional.risk_coverage import (augrc, aurc, coverage_at_risk, prediction_rejection_ratio,
                                                        published_rejection_ratio, risk_at_coverage, success_precision)

COUNTS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=25).filter(
    lambda pairs: sum(map(sum, pairs)) > 0).map(lambda pairs: np.int64(pairs).T)


def orders(errors, correct):
    """Wrong or right per pixel, most certain first: ties in the best and in the worst order."""
    bins = list(zip(errors, correct))[::-1]
    return (np.concatenate([np.repeat(values, counts) for wrong, right in bins
                            for values, counts in [([0, 1], [right, wrong])]]),
            np.concatenate([np.repeat([1, 0], [wrong, right]) for wrong, right in bins]))


def selective_risks(wrong):
    return np.cumsum(wrong) / np.arange(1, wrong.size + 1)


def brute_coverage(wrong, risk, ends):
    return max([k for k in ends if k and wrong[:k].sum() <= risk * k], default=0) / wrong.size


@settings(max_examples=50, deadline=None)
@given(COUNTS)
def test_aurc_averages_over_ties_and_its_bound_holds_every_order(counts):
    best, worst = (selective_risks(order).mean() for order in orders(*counts))
    value, bound = aurc(*counts), risk_coverage.aurc_bound(*counts)
    assert best - 1e-12 <= value <= worst + 1e-12
    assert max(value - best, worst - value) <= bound + 1e-12


def test_aurc_without_ties_is_the_mean_selective_risk():
    wrong = np.random.default_rng(0).random(5000) < .3
    assert aurc(wrong[::-1], ~wrong[::-1]) == pytest.approx(selective_risks(wrong).mean(), abs=1e-12)


def test_aurc_of_one_tied_bin_is_the_error_rate():
    assert aurc(np.int64([3 * 10**8]), np.int64([7 * 10**9])) == pytest.approx(3 / 73, rel=1e-12)


def generalized_area(wrong):
    """Trapezoids below the share of all pixels that are kept and wrong, at coverages 0, 1/n, ..., 1."""
    return trapezoid(np.r_[0, np.cumsum(wrong)] / wrong.size, dx=1 / wrong.size)


@settings(max_examples=50, deadline=None)
@given(COUNTS)
def test_augrc_averages_over_ties_and_its_bound_holds_every_order(counts):
    best, worst = map(generalized_area, orders(*counts))
    value, bound = augrc(*counts), risk_coverage.augrc_bound(*counts)
    assert value == pytest.approx((best + worst) / 2, abs=1e-12)
    assert max(value - best, worst - value) == pytest.approx(bound, abs=1e-12)


def test_augrc_without_ties_is_the_area_below_the_generalized_risk():
    wrong = np.random.default_rng(0).random(5000) < .3
    assert augrc(wrong[::-1], ~wrong[::-1]) == pytest.approx(generalized_area(wrong), abs=1e-12)
    assert augrc([3, 0], [0, 7]) == pytest.approx(.3**2 / 2) and augrc([3], [7]) == pytest.approx(.3 / 2)
    assert augrc([0], [7]) == 0 and augrc([3], [0]) == .5 and np.isnan(augrc([], []))


@settings(max_examples=50, deadline=None)
@given(COUNTS.filter(lambda counts: counts[1].any()))
def test_precision_of_right_pixels_is_that_of_scikit_learn_and_bounded(counts):
    score = np.repeat(np.tile(np.arange(counts.shape[1]), 2), counts.ravel())
    right = np.repeat([0, 1], counts.sum(1))
    value, bound = success_precision(*counts), risk_coverage.success_precision_bound(*counts)
    assert value == pytest.approx(average_precision_score(right, score), abs=1e-12)
    for order in orders(*counts):
        assert abs(average_precision_score(1 - order, -np.arange(order.size)) - value) <= bound + 1e-12


@settings(max_examples=50, deadline=None)
@given(COUNTS, st.floats(.01, 1))
def test_risk_at_coverage_lies_within_its_bound(counts, coverage):
    value, bound = risk_at_coverage(*counts, coverage), risk_coverage.risk_at_coverage_bound(*counts, coverage)
    for order in orders(*counts):
        kept = max(int(np.ceil(coverage * order.size)), 1)
        assert abs(order[:kept].mean() - value) <= bound + 1e-12


@settings(max_examples=50, deadline=None)
@example(np.int64([[1], [2]]), 1 / 3)
@given(COUNTS, st.floats(0, 1))
def test_coverage_at_risk_is_reached_by_a_threshold_and_bounded(counts, risk):
    best, _ = orders(*counts)
    value = coverage_at_risk(*counts, risk)
    assert value == pytest.approx(brute_coverage(best, risk, np.cumsum(counts.sum(0)[::-1])), abs=1e-12)
    finest = brute_coverage(best, risk, range(best.size + 1))
    assert finest <= value + risk_coverage.coverage_at_risk_bound(*counts, risk) + 1e-12


@settings(max_examples=50, deadline=None)
@given(COUNTS.filter(lambda counts: counts.sum(1).all()))
def test_rejection_ratio_is_the_ratio_of_areas(counts):
    errors, correct = counts.astype(float)
    total, rate = counts.sum(), errors.sum() / counts.sum()
    rejected = np.r_[0, np.cumsum(errors + correct)] / total
    remaining = rate - np.r_[0, np.cumsum(errors)] / total
    area = trapezoid(remaining, rejected)
    expected = 100 * (rate / 2 - area) / (rate / 2 - rate**2 / 2)
    assert prediction_rejection_ratio(*counts) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize('rate', [.02, .05, .1, .4])
def test_perfect_ranking_has_ratio_100_and_the_released_code_less(rate):
    wrong = np.arange(4000) < 4000 * rate
    assert prediction_rejection_ratio(wrong, ~wrong) == pytest.approx(100)
    expected = 100 * (1 - rate) / (1 - rate / 100)
    assert published_rejection_ratio(wrong, ~wrong) == pytest.approx(expected, abs=.06)


def test_published_ratio_follows_the_closed_form_with_many_pixels():
    counts = np.random.default_rng(0).integers(1, 10**6, (2, 300)) * np.linspace([2, .5], [.1, 2], 300).T.round(1)
    rate = counts[0].sum() / counts.sum()
    expected = prediction_rejection_ratio(*counts) * (1 - rate) / (1 - rate / 100)
    assert published_rejection_ratio(*counts) == pytest.approx(expected, abs=1e-2)


def test_no_errors_or_no_pixels_give_nan_not_a_crash():
    nothing, some = np.zeros(3, int), np.ones(3, int)
    assert np.isnan(prediction_rejection_ratio(nothing, some))
    assert np.isnan(published_rejection_ratio(nothing, some))
    assert aurc(nothing, some) == 0
    for counts in ((nothing, nothing), (nothing[:0], nothing[:0])):
        assert np.isnan(aurc(*counts)) and np.isnan(risk_at_coverage(*counts, .8))
        assert np.isnan(coverage_at_risk(*counts, .1))


def test_rejection_ratio_is_twice_the_area_under_roc_less_one():
    counts = np.random.default_rng(1).integers(0, 50, (2, 40))
    assert prediction_rejection_ratio(*counts) == 100 * (2 * ranking.auroc(*counts) - 1)


def test_the_published_ratio_stays_within_its_bound():
    random = np.random.default_rng(0)
    for _ in range(500):
        errors, correct = random.integers(0, 4, 30), random.integers(0, 40, 30)
        cuts = np.r_[0:30:random.integers(2, 9)]
        coarse = np.add.reduceat(errors, cuts), np.add.reduceat(correct, cuts)
        bound = risk_coverage.published_rejection_ratio_bound(*coarse)
        fine = risk_coverage.published_rejection_ratio(errors, correct)
        assert abs(fine - risk_coverage.published_rejection_ratio(*coarse)) <= bound
        hidden = (coarse[0] * coarse[1]).sum() / (errors.sum() * correct.sum())
        assert bound < 100 * hidden + 250 / errors.sum()

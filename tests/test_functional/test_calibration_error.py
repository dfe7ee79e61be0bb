"""Laws of the calibration errors, and exactness at a scale where float32 accumulators fail."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmseg_uncertainty.functional import calibration_error as ce
from mmseg_uncertainty.functional.calibration_error import ReliabilitySums, reliability_sums, sorted_sums


def confidences(seed=0, size=5000, sharpness=1.):
    """Confidences and outcomes drawn from them, made over-confident by a sharpness above 1."""
    random = np.random.default_rng(seed)
    true = random.beta(4, 1.2, size)
    return (true**(1 / sharpness)).astype(np.float32), random.random(size) < true


def plain_ece(confidence, correct, bins=15):
    edges = np.linspace(0, 1, bins + 1)
    total = 0.
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > np.float32(low)) & (confidence <= np.float32(high))
        if inside.any():
            total += abs(confidence[inside].astype(float).sum() - correct[inside].sum())
    return total / confidence.size


@pytest.mark.parametrize('bins', [1, 10, 15, 50])
def test_ece_follows_its_definition(bins):
    confidence, correct = confidences(sharpness=2)
    sums = reliability_sums(confidence, correct, bins)
    assert ce.expected_calibration_error(sums) == pytest.approx(plain_ece(confidence, correct, bins), abs=1e-9)


def test_sums_are_exact_for_float32_confidences_above_a_sixteenth():
    confidence, correct = confidences()
    confidence = np.maximum(confidence, np.float32(.07))
    sums = reliability_sums(confidence, correct, 1)
    assert sums.confidence_sum[0] * 2**28 == sum(int(value * 2**28) for value in confidence.astype(float))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 4999))
def test_parts_merge_to_the_whole_bit_for_bit(seed, cut):
    confidence, correct = confidences(seed)
    whole = reliability_sums(confidence, correct)
    parts = [reliability_sums(confidence[part], correct[part]) for part in (slice(cut), slice(cut, None))]
    for name in ('count', 'correct', 'confidence'):
        np.testing.assert_array_equal(getattr(parts[1], name) + getattr(parts[0], name), getattr(whole, name))


def test_ten_billion_pixels_keep_ece_right():
    confidence, correct = confidences(sharpness=2)
    sums = reliability_sums(confidence, correct)
    factor = 2 * 10**6
    scaled = ReliabilitySums(sums.count * factor, sums.correct * factor, sums.confidence * factor)
    assert scaled.count.sum() == 10**10
    for error in (ce.expected_calibration_error, ce.maximum_calibration_error, ce.kolmogorov_smirnov_error):
        assert error(scaled) == pytest.approx(error(sums), abs=1e-9)
    assert ce.adaptive_calibration_error(scaled) == pytest.approx(ce.adaptive_calibration_error(sums), abs=1e-9)


def test_one_bin_of_forty_million_equal_pixels():
    sums = np.zeros((3, 15), np.int64)
    bins, confidence, correct = np.full(10**6, 14), np.full(10**6, np.float32(.95)), np.arange(10**6) % 10 < 9
    for _ in range(40):
        ce.add_to_bins(sums, bins, confidence, correct)
    assert ce.expected_calibration_error(ReliabilitySums(*sums)) == pytest.approx(float(np.float32(.95)) - .9, abs=1e-12)


def test_outcomes_drawn_from_their_confidences_are_calibrated():
    confidence, correct = confidences(size=200_000)
    sharp, outcome = confidences(size=200_000, sharpness=3)
    for error in (lambda *pair: ce.expected_calibration_error(reliability_sums(*pair)),
                  lambda *pair: ce.adaptive_calibration_error(sorted_sums(*pair)),
                  lambda *pair: ce.kolmogorov_smirnov_error(sorted_sums(*pair))):
        assert error(confidence, correct) < 5e-3
        assert error(sharp, outcome) > .05


def test_errors_are_bounded_by_the_largest_gap():
    sums = reliability_sums(*confidences(sharpness=2))
    assert ce.expected_calibration_error(sums) <= ce.maximum_calibration_error(sums) <= 1
    assert ce.kolmogorov_smirnov_error(sums) <= ce.expected_calibration_error(sums) + 1e-12


@pytest.mark.parametrize('bins', [200, 3000])
def test_fine_bins_bound_the_kolmogorov_smirnov_error(bins):
    confidence, correct = confidences(sharpness=2)
    exact = ce.kolmogorov_smirnov_error(sorted_sums(confidence, correct))
    fine = reliability_sums(confidence, correct, bins)
    assert abs(ce.kolmogorov_smirnov_error(fine) - exact) <= ce.kolmogorov_smirnov_bound(fine)


def test_adaptive_bins_hold_equally_many_pixels():
    confidence, correct = confidences(size=4500, sharpness=2)
    order = np.argsort(confidence)
    gaps = (confidence.astype(float) - correct)[order].reshape(15, 300).sum(1)
    exact = ce.adaptive_calibration_error(sorted_sums(confidence, correct))
    assert exact == pytest.approx(np.abs(gaps).sum() / 4500, abs=1e-12)
    assert ce.adaptive_calibration_error(reliability_sums(confidence, correct, 5000)) == pytest.approx(exact, abs=2e-3)


def test_adaptive_error_ignores_increasing_relabelling_of_the_bins():
    sums = sorted_sums(*confidences())
    split = ReliabilitySums(*(np.repeat(part, 2) / 2 for part in (sums.count, sums.correct, sums.confidence_sum)))
    assert ce.adaptive_calibration_error(split) == pytest.approx(ce.adaptive_calibration_error(sums), abs=1e-12)


def test_zero_and_one_have_bins():
    np.testing.assert_array_equal(ce.equal_width_bins(np.float32([0, .5, 1]), 2), [0, 0, 1])


def test_no_pixels_give_nan():
    empty = ReliabilitySums(*np.zeros((3, 15), np.int64))
    for error in (ce.expected_calibration_error, ce.maximum_calibration_error, ce.kolmogorov_smirnov_error,
                  ce.adaptive_calibration_error, ce.published_adaptive_calibration_error, ce.kolmogorov_smirnov_bound,
                  ce.adaptive_calibration_bound, ce.published_adaptive_calibration_bound):
        assert np.isnan(error(empty))


def test_the_largest_gap_is_that_of_one_bin():
    sums = ReliabilitySums(np.int64([10, 0, 4]), np.int64([5, 0, 1]), np.array([6., 0, 3.6]))
    assert ce.maximum_calibration_error(sums) == pytest.approx(.65)
    assert ce.expected_calibration_error(sums) == pytest.approx(3.6 / 14)


def fine_sums(confidence, correct):
    """Bins of 128 for each halving of 1 - confidence, as the evaluator has them."""
    cells = np.unique((1 - confidence).view(np.int32) >> 16, return_inverse=True)[1]
    cells = cells.max() - cells
    sums = np.zeros((3, cells.max() + 1), np.int64)
    ce.add_to_bins(sums, cells, confidence, correct)
    return ReliabilitySums(*sums)


FAMILIES = {
    'beta': lambda random, size: random.beta(6, .8, size),
    'saturated': lambda random, size: 1 - 10.**-(8 * random.random(size)),
    'concentrated': lambda random, size: .9 + 1e-5 * random.random(size),
    'tied': lambda random, size: random.integers(1, 11, size) / 10,
    'uniform': lambda random, size: .05 + .95 * random.random(size),
}


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('order', ['drawn', 'right first', 'wrong first'])
def test_bounds_of_rank_based_errors_hold_for_any_order_within_bins(family, order):
    random = np.random.default_rng(0)
    for size in (40, 3000):
        confidence = FAMILIES[family](random, size).astype(np.float32)
        correct = random.random(size) < confidence**2
        if order != 'drawn':
            rank = np.lexsort((~correct if order == 'right first' else correct, confidence))
            confidence, correct = np.sort(confidence), correct[rank]
        fine, exact = fine_sums(confidence, correct), ce.sorted_sums(confidence, correct)
        for name in ('kolmogorov_smirnov', 'adaptive_calibration', 'published_adaptive_calibration'):
            error, bound = getattr(ce, f'{name}_error'), float(getattr(ce, f'{name}_bound')(fine))
            assert abs(error(fine) - error(exact)) <= bound, name


def test_the_smirnov_bound_is_reached_and_small_where_confidences_differ():
    confidence, correct = np.full(100, .5, np.float32), np.arange(100) < 50
    fine = fine_sums(confidence, correct)
    assert ce.kolmogorov_smirnov_error(fine) == 0
    assert ce.kolmogorov_smirnov_bound(fine) == pytest.approx(.25, abs=.003)
    assert ce.kolmogorov_smirnov_error(ce.sorted_sums(confidence, correct)) == pytest.approx(.25)
    confidence, correct = confidences(size=50_000)
    assert ce.kolmogorov_smirnov_bound(fine_sums(confidence, correct)) < .003
    assert ce.adaptive_calibration_bound(fine_sums(confidence, correct)) < .02


@pytest.mark.parametrize('right', [False, True])
def test_the_smirnov_bound_holds_on_both_sides(right):
    """The running sum stands below or above 0 before the pixels whose order is hidden."""
    confidence = np.repeat(np.float32([.3, .5]), [50, 100])
    correct = np.r_[np.full(50, right), np.arange(100) < 50 if right else np.arange(100) >= 50]
    fine, exact = fine_sums(confidence, correct), ce.kolmogorov_smirnov_error(ce.sorted_sums(confidence, correct))
    before = 50 * (.7 if right else .3)
    assert ce.kolmogorov_smirnov_error(fine) == pytest.approx(before / 150)
    assert exact == pytest.approx((before + 25) / 150)
    assert ce.kolmogorov_smirnov_bound(fine) == pytest.approx(25 / 150, abs=.003)


def test_one_pixel_hides_nothing():
    sums = ce.sorted_sums(np.float32([.9]), np.array([True]))
    assert ce.kolmogorov_smirnov_bound(sums) == pytest.approx(0, abs=.002)


@pytest.mark.parametrize('bins', [1, 4, 15])
def test_published_adaptive_bins_lie_between_interpolated_ranks(bins):
    confidence, correct = confidences(size=333, sharpness=2)
    ordered = np.sort(confidence.astype(float))
    edges = np.interp(np.linspace(0, 333, bins + 1), np.arange(333), ordered)
    gaps = [(confidence - correct.astype(float))[(low < confidence) & (confidence <= high)].sum()
            for low, high in zip(edges[:-1], edges[1:])]
    found = ce.published_adaptive_calibration_error(sorted_sums(confidence, correct), bins)
    assert found == pytest.approx(np.abs(gaps).sum() / 333, abs=1e-8)

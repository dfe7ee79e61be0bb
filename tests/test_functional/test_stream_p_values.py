"""p-values of frames are uniform or conservative as promised, by brute force and by simulation."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmseg_uncertainty.functional.stream_p_values import (
    bounded_p_value, conservative_p_value, smoothed_p_value, tail_bounds, thinned, two_sided)

NUMBERS = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


@given(NUMBERS, NUMBERS, st.floats(0.01, 1))
def test_p_values_are_counts(reference, values, chance):
    ordered = np.sort(reference)
    smoothed, conservative = smoothed_p_value(ordered, np.array(values), chance), conservative_p_value(ordered, np.array(values))
    bounds = tail_bounds(len(reference), 0.1)
    for value, first, second, third in zip(values, smoothed, conservative, bounded_p_value(ordered, np.array(values), bounds)):
        above, ties = sum(x > value for x in reference), sum(x == value for x in reference)
        assert first == pytest.approx((above + chance * (ties + 1)) / (len(reference) + 1))
        assert second == pytest.approx((above + ties + 1) / (len(reference) + 1))
        assert third == bounds[above + ties] and first <= second


@pytest.mark.parametrize('discrete', [False, True])
def test_one_p_value_is_uniform_or_at_most_so(discrete):
    generator = np.random.default_rng(0)
    values = generator.normal(size=(20000, 10))
    values = np.round(values) if discrete else values
    smoothed = np.array([smoothed_p_value(np.sort(row[1:]), row[0], 1 - generator.random()) for row in values])
    conservative = np.array([conservative_p_value(np.sort(row[1:]), row[0]) for row in values])
    for share in (0.05, 0.2, 0.5, 0.9):
        error = 3 * np.sqrt(share * (1 - share) / len(values))
        assert abs((smoothed <= share).mean() - share) < error
        assert (conservative <= share).mean() < share + error


@pytest.mark.parametrize('num_frames, delta', [(1, 0.3), (20, 0.2), (150, 0.1)])
@pytest.mark.parametrize('digits', [None, 1])
def test_bounds_of_the_tail_hold_at_every_number_at_once(num_frames, delta, digits):
    generator = np.random.default_rng(1)
    bounds, failed, draws = tail_bounds(num_frames, delta), 0, 2000
    assert (np.diff(bounds) >= 0).all() and bounds[-1] == 1
    for _ in range(draws):
        survival = generator.random(num_frames)
        survival = survival if digits is None else np.ceil(survival * 10) / 10  # P(X >= x) where numbers tie
        # Just above the k-th smallest survival the next number sets in: k frames are at least as strange there.
        ordered = np.sort(survival)
        at_least = np.searchsorted(ordered, ordered, side='left') if digits is None else np.searchsorted(
            ordered, np.arange(1, 11) / 10, side='right')
        truth = ordered if digits is None else np.arange(1, 11) / 10
        failed += (truth > bounds[at_least] + 1e-12).any()
    assert failed / draws <= delta + 2 * np.sqrt(delta * (1 - delta) / draws)


def test_the_bounds_of_the_order_are_sharper_where_few_frames_are_stranger():
    bounds = tail_bounds(120, 0.005)
    assert bounds[0] < 0.09 < np.sqrt(np.log(2 / 0.005) / 240)


def test_both_sides_see_small_and_large_numbers():
    reference = np.arange(99.0)
    opposite = conservative_p_value(-reference[::-1], np.array([5.0, -100.0]))
    assert two_sided(conservative_p_value(reference, np.array([-5.0, 100.0])), opposite).tolist() == [0.02, 0.02]


def test_runs_of_frames_become_one_number():
    assert thinned(range(7), 3).tolist() == [0, 3] and thinned(range(7), 3, 'mean').tolist() == [1, 4]
    for options in (dict(every=0), dict(every=2, pool='median')):
        with pytest.raises(ValueError, match='every must be at least 1 and pool one of'):
            thinned([1.0], **options)

"""Order statistics are those of sorted numbers, however these lie."""
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmseg_uncertainty.functional.order_statistics import OrderStatistics


def numbers(kind):
    width = 8 * np.dtype(kind).itemsize
    return arrays(kind, st.integers(1, 60), elements=st.floats(allow_nan=False, allow_infinity=False, width=width))


def check(values, edges):
    ordered, found = np.sort(values), OrderStatistics(values)
    ranks = np.arange(values.size)
    np.testing.assert_array_equal(found.at(ranks), ordered)
    np.testing.assert_array_equal(found.at(ranks[::3]), ordered[::3])
    assert found.at(ranks).dtype == values.dtype
    for some in (edges, edges[:1], values):
        np.testing.assert_array_equal(found.below(some), np.searchsorted(ordered, some, side='left'))


@pytest.mark.parametrize('kind', ['float32', 'float64'])
def test_small_sets_of_any_numbers(kind):
    top = np.finfo(kind).max

    @settings(deadline=None, max_examples=100)
    @given(values=numbers(kind), edges=numbers(kind))
    @example(values=np.array([-top, top, -0., 0.], kind), edges=np.array([0., -0., top, -top], kind))
    def small_sets(values, edges):
        check(values, edges)

    small_sets()


@pytest.mark.parametrize('draw', [
    lambda random: random.normal(size=40000), lambda random: 500 + random.normal(size=40000),
    lambda random: 10**random.uniform(-30, 30, 40000), lambda random: random.integers(0, 3, 40000),
    lambda random: np.r_[np.zeros(20000), random.normal(size=20000)], lambda random: np.full(40000, -7.5)],
    ids=['normal', 'concentrated', 'spread', 'tied', 'half tied', 'equal'])
def test_many_numbers_of_few_and_of_many_cells(draw):
    values = draw(np.random.default_rng(0)).astype(np.float32)
    ordered, found = np.sort(values), OrderStatistics(values)
    ranks = np.random.default_rng(1).integers(0, values.size, (2, 50))
    np.testing.assert_array_equal(found.at(ranks), ordered[ranks])
    edges = np.r_[values[:20], np.nextafter(values[:20], np.float32(-np.inf)), np.float32([-1e38, 1e38, np.inf, -np.inf])]
    np.testing.assert_array_equal(found.below(edges), np.searchsorted(ordered, edges, side='left'))

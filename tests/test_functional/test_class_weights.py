"""Weights of classes."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmseg_uncertainty.functional.class_weights import (class_weights, effective_number, inverse_frequency,
                                                        median_frequency, square_root_frequency)

INDOOR = [1.26, 1.57, 2.71, 7.17, 9.94, 3.87, 11.23, 3.05, 10.98, 8.45, 0.33, 2.88, 33.67, 2.88]
counts = st.lists(st.integers(0, 10**9), min_size=2, max_size=8).filter(any).map(np.array)


def test_indoor_frequencies_give_the_weights_computed_by_hand():
    inverse = [1.66, 1.34, .77, .29, .21, .54, .19, .69, .19, .25, 6.35, .73, .062, .73]
    root = [1.54, 1.38, 1.05, .65, .55, .88, .52, .99, .52, .59, 3.01, 1.02, .30, 1.02]
    np.testing.assert_allclose(inverse_frequency(INDOOR), inverse, atol=6e-3)
    np.testing.assert_allclose(square_root_frequency(INDOOR), root, atol=6e-3)


@settings(max_examples=50, deadline=None)
@given(counts=counts)
def test_rarer_weighs_more_and_absent_weighs_nothing(counts):
    for weights in class_weights(counts, counts, np.full(counts.shape, max(counts.sum(), 1))).values():
        assert np.isfinite(weights).all() and ((weights > 0) == (counts > 0)).all()
        order = np.argsort(counts[counts > 0])
        assert (np.diff(weights[counts > 0][order]) <= 1e-9 * weights.max()).all()


@settings(max_examples=50, deadline=None)
@given(counts=counts, factor=st.integers(2, 100))
def test_only_proportions_count(counts, factor):
    for weigh in (inverse_frequency, square_root_frequency):
        np.testing.assert_allclose(weigh(counts), weigh(factor * counts), rtol=1e-9)
        assert weigh(counts)[counts > 0].mean() == pytest.approx(1)


def test_effective_number_lies_between_equal_and_inverse():
    images = np.array([3, 10, 40])
    np.testing.assert_allclose(effective_number(images, 0.), 1)
    np.testing.assert_allclose(effective_number(images, 1 - 1e-9), inverse_frequency(images), rtol=1e-6)
    beta = 0.9
    expected = (1 - beta) / (1 - beta**images)
    np.testing.assert_allclose(effective_number(images, beta), expected / expected.mean())
    with pytest.raises(ValueError, match='beta=1'):
        effective_number(images, 1)


def test_median_frequency_looks_at_images_that_show_the_class():
    weights = median_frequency([50, 10, 100], [100, 100, 1000])
    np.testing.assert_allclose(weights, [0.2, 1, 1])

"""Laws of smooth ECE, and its agreement with a kernel sum in double precision."""
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm

from mmseg_uncertainty.functional.calibration_error import ReliabilitySums, reliability_sums, sorted_sums
from mmseg_uncertainty.functional.smooth_calibration import CURVE, SLOPE, smooth_calibration_bound, smooth_calibration_error


def pixels(seed, size=150, overconfident=1.5):
    random = np.random.default_rng(seed)
    confidence = random.beta(6, 1.5, size).astype(np.float32)
    return confidence, random.random(size) < confidence.astype(float)**overconfident


def kernel_sum(confidence, correct):
    """By the definition: mirror images of every pixel, every pixel by itself, and the root of error = width."""
    points = (np.arange(500) + .5) / 500
    confidence = confidence.astype(float)
    mirrored = np.concatenate([shift + sign * confidence for shift in (-2, 0, 2) for sign in (1, -1)])
    residual = np.tile(correct - confidence, 6) / correct.size

    def excess(width):
        return np.abs(norm.pdf((points[:, None] - mirrored) / width) @ residual / width).mean() - width
    return brentq(excess, .01, .9, xtol=1e-6)


@pytest.mark.parametrize('seed, overconfident', [(0, 1.5), (1, 2.), (2, .5), (3, 1.)])
def test_it_is_the_kernel_sum_of_its_definition(seed, overconfident):
    confidence, correct = pixels(seed, overconfident=overconfident)
    expected = kernel_sum(confidence, correct)
    assert smooth_calibration_error(sorted_sums(confidence, correct)) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize('seed', range(3))
def test_fine_bins_stay_within_their_bound(seed):
    confidence, correct = pixels(seed, 20_000, 1 + seed / 2)
    edges = np.r_[0, 1 - 2.**-np.arange(0, 24, 2**-7), 1]
    bins = np.searchsorted(edges, confidence.astype(float), side='right')
    sums = ReliabilitySums(*(np.bincount(bins, weights, edges.size + 1) for weights in (
        np.ones(bins.size), correct.astype(float), confidence.astype(float))))
    exact = smooth_calibration_error(sorted_sums(confidence, correct))
    assert abs(smooth_calibration_error(sums) - exact) <= smooth_calibration_bound(sums) < .05


def test_residuals_of_one_sign_are_their_mean():
    sums = reliability_sums(np.float32([.7, .8, .9, .9]), np.zeros(4, bool), 4000)
    assert smooth_calibration_error(sums) == pytest.approx(.825, abs=1e-4)


def test_calibrated_pixels_have_little_of_it_and_no_pixels_none():
    confidence, correct = pixels(5, 50_000, 1)
    sums = reliability_sums(confidence, correct, 4000)
    assert smooth_calibration_error(sums) < .015
    assert np.isnan(smooth_calibration_error(reliability_sums(confidence[:0], correct[:0])))
    assert np.isnan(smooth_calibration_bound(reliability_sums(confidence[:0], correct[:0])))


def test_the_bound_counts_with_the_derivatives_of_the_normal_density():
    for found, derivative in ((SLOPE, lambda at: at * norm.pdf(at)), (CURVE, lambda at: (at**2 - 1) * norm.pdf(at))):
        assert found == pytest.approx(quad(lambda at: abs(derivative(at)), -20, 20, points=[-1, 0, 1])[0])

import numpy as np
from scipy.stats import beta

from mmseg_uncertainty.functional.coverage_error import (coverage_counts, coverage_error, coverage_noise,
                                                         published_marginal_error, published_pixel_error)

LEVELS = (np.arange(20) + 0.5) / 20


def test_counts_agree_with_comparison():
    scores = np.random.default_rng(0).random((30, 2, 3))
    scores[0] = np.nan
    covered, total = coverage_counts(scores, np.array([0.2, 0.7]).reshape(-1, 1, 1))
    assert (total == 29).all()
    np.testing.assert_array_equal(covered[1], (scores[1:] <= 0.7).sum(0))


def test_exact_thresholds_have_no_error_without_noise():
    covered = LEVELS[:, None] * np.array([1000, 20])
    np.testing.assert_allclose(coverage_error(covered, np.array([1000, 20]), LEVELS), 0, atol=1e-12)


def test_noise_is_the_error_of_exchangeable_scores():
    generator = np.random.default_rng(1)
    for calibration, test in [(20, 500), (100, 500), (400, 100)]:
        ranks = np.ceil((calibration + 1) * LEVELS).astype(int).clip(max=calibration)
        thresholds = np.sort(generator.random((calibration, 300)), axis=0)[ranks - 1]
        covered = (generator.random((test, 1, 300)) <= thresholds).sum(0)
        error = coverage_error(covered, np.full(300, test), LEVELS).mean()
        assert abs(error / coverage_noise(calibration, test, LEVELS) - 1) < 0.15


def test_positions_without_scores_are_nan():
    assert np.isnan(coverage_noise(np.array([10, 10]), np.array([5, 0]), LEVELS)).tolist() == [False, True]
    assert np.isnan(coverage_error(np.zeros((20, 1)), np.zeros(1), LEVELS)).all()


def test_the_published_errors_are_biased_even_for_perfect_curves():
    curves = np.linspace(0, 1, 100).reshape(-1, 1, 1)
    scores = (np.arange(20000) + 0.5).reshape(-1, 1, 1) / 20000
    assert abs(published_marginal_error(scores, curves)[1] - 0.0101) < 1e-3
    assert abs(published_pixel_error(scores, curves)[1].item() - 0.0202) < 1e-3


def test_noise_adds_the_variances_of_a_beta_and_a_binomial_share():
    for calibration, test in [(1, 1), (4, 9), (9, 4)]:
        ranks = np.arange(1, calibration + 1)
        coverage = beta(ranks, calibration + 1 - ranks)
        variance = coverage.var() + coverage.mean() * (1 - coverage.mean()) / test
        noise = coverage_noise(calibration, test, ranks / (calibration + 1))
        np.testing.assert_allclose(noise, np.sqrt(2 / np.pi * variance).mean())


def test_the_published_marginal_error_pools_the_pixels():
    scores = np.random.default_rng(2).random((50, 2, 3))
    scores[:20, 0, 0] = np.nan
    curves = np.linspace(0, 1, 100).reshape(-1, 1, 1)
    for pooled, alone in zip(published_marginal_error(scores.reshape(-1, 1, 1), curves), published_marginal_error(scores, curves)):
        np.testing.assert_allclose(alone, pooled)

"""How far empirical coverage is from its nominal level, per pixel and marginally."""
from __future__ import annotations

import numpy as np

PUBLISHED_BINS = 20


def coverage_counts(scores: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count how many scores stay within their threshold.

    Args:
        scores: Nonconformity of the true class, shape (M, H, W), NaN where left out.
        thresholds: One per level and pixel, shape (L, H, W) or (L, 1, 1).

    Returns:
        Covered scores, shape (L, H, W), and all scores, shape (H, W), int64.

    Examples:
        >>> scores = np.array([0.2, 0.8, np.nan]).reshape(3, 1, 1)
        >>> covered, total = coverage_counts(scores, thresholds=np.array([0.5, 0.9]).reshape(2, 1, 1))
        >>> covered.ravel().tolist(), total.ravel().tolist()
        ([1, 2], [2])
    """
    covered = np.stack([(scores <= threshold).sum(axis=0) for threshold in thresholds])
    return covered, (~np.isnan(scores)).sum(axis=0)


def coverage_error(covered: np.ndarray, total: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Mean distance of the coverage from its level.

    Args:
        covered: Shape (L, \\*).
        total: Shape (\\*,).
        levels: Nominal coverage, shape (L,), in [0, 1].

    Returns:
        Shape (\\*,), in [0, 1], NaN without scores; even exact thresholds score about :func:`coverage_noise`.

    Examples:
        >>> coverage_error(covered=np.array([[7], [9]]), total=np.array([10]), levels=np.array([0.8, 0.9])).round(4).tolist()
        [0.05]
    """
    with np.errstate(invalid='ignore', divide='ignore'):
        coverage = covered / np.asarray(total, dtype=np.float64)
    return np.abs(coverage - np.reshape(levels, (-1,) + (1,) * np.ndim(total))).mean(axis=0)


def coverage_noise(num_calibration: np.ndarray, num_test: np.ndarray, levels: np.ndarray) -> np.ndarray:
    r"""Coverage error that thresholds of finitely many exchangeable scores have by chance.

    The coverage of the k-th of n scores is Beta(k, n + 1 - k), its estimate from m scores binomial; the mean absolute
    value of the sum is taken as that of a normal variable of variance :math:`l (1 - l) (1 / (n + 2) + 1 / m)`.

    Args:
        num_calibration: Scores n behind each threshold, shape (\*,).
        num_test: Scores m behind each coverage, shape (\*,).
        levels: Nominal coverage, shape (L,).

    Returns:
        Shape (\*,), in [0, 1], NaN where m is 0.

    Examples:
        >>> noise = coverage_noise(num_calibration=98, num_test=100, levels=np.array([0.5]))
        >>> round(float(noise), 4)  # sqrt(2 / pi * 0.25 * 0.02)
        0.0564
    """
    levels = np.reshape(levels, (-1,) + (1,) * np.ndim(num_test))
    with np.errstate(divide='ignore', invalid='ignore'):
        variance = levels * (1 - levels) * (1 / (np.asarray(num_calibration) + 2) + 1 / np.asarray(num_test, float))
    noise = np.sqrt(2 / np.pi * variance).mean(axis=0)
    return np.where(np.isfinite(noise), noise, np.nan)


def published_marginal_error(scores: np.ndarray, curves: np.ndarray) -> tuple[np.ndarray, float]:
    """Coverage at 20 points of the published curve, pixels pooled, and its mean error.

    The levels of the curve lie about 0.01 below the levels they are compared with.

    Args:
        scores: Shape (M, H, W), NaN where left out.
        curves: Shape (100, H, W) or (100, 1, 1).

    Returns:
        Coverage, shape (20,), and the error.
    """
    bins = np.arange(PUBLISHED_BINS) + 0.5
    covered, total = coverage_counts(scores, curves[np.floor(5 * bins).astype(int) - 1])
    coverage = covered.sum(axis=(1, 2)) / total.sum()
    return coverage, float(np.abs(coverage - bins / PUBLISHED_BINS).mean())


def published_pixel_error(scores: np.ndarray, curves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coverage of every pixel at 20 points of the published curve, and its mean error.

    The levels of the curve lie about 0.02 above the levels they are compared with.

    Args:
        scores: Shape (M, H, W), NaN where left out.
        curves: Shape (100, H, W) or (100, 1, 1).

    Returns:
        Coverage, shape (20, H, W), and error, shape (H, W); NaN where a pixel has no score.
    """
    bins = np.arange(PUBLISHED_BINS)
    covered, total = coverage_counts(scores, curves[5 * (bins + 1) - 1])
    with np.errstate(invalid='ignore'):
        coverage = covered / total.astype(np.float64)
    return coverage, coverage_error(covered, total, (bins + 0.5) / PUBLISHED_BINS)

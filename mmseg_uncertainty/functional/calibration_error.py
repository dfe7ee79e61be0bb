r"""How far confidences are from frequencies, computed from streamed sums.

Confidences lie in [0, 1]. Their sums are kept as integers in units of 2**-28: float32 confidences of at least 1/16 are
multiples of it, smaller ones are off by at most 2**-29. Integer sums make merging exact in any order, hold 3e10 pixels
per bin, and do not lose pixels as float32 accumulators do beyond 2**24.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .compiled import compiled

UNIT = 2.**28
FINE_STEP = 2.**-7
ROUNDING = .5 / UNIT


@dataclass(frozen=True)
class ReliabilitySums:
    """Pixels per confidence bin, in ascending order of confidence.

    Args:
        count: Pixels, shape (\\*, B), int64.
        correct: Pixels that are right, shape (\\*, B), int64.
        confidence: Sum of the confidences, shape (\\*, B), float64, or int64 in units of 2**-28.

    Examples:
        >>> sums = reliability_sums(np.array([0.9, 0.9, 0.6]), correct=np.array([True, True, False]), bins=2)
        >>> sums.count.tolist(), sums.correct.tolist()
        ([0, 3], [0, 2])
    """

    count: np.ndarray
    correct: np.ndarray
    confidence: np.ndarray

    @property
    def confidence_sum(self) -> np.ndarray:
        """Sum of the confidences, float64."""
        units = UNIT if np.issubdtype(self.confidence.dtype, np.integer) else 1.
        return self.confidence / units

    @property
    def gap(self) -> np.ndarray:
        """Sum of confidence minus correctness per bin, float64."""
        return self.confidence_sum - self.correct


@compiled(nogil=True)
def add_to_bins(sums: np.ndarray, bins: np.ndarray, confidence: np.ndarray, correct: np.ndarray) -> None:
    """Add pixels to int64 sums of shape (3, B): count, correct, confidence in units of 2**-28.

    Args:
        sums: Changed in place.
        bins: Bin of each pixel, shape (n,), integer in [0, B).
        confidence: Shape (n,), in [0, 1].
        correct: Shape (n,), bool.
    """
    for pixel in range(bins.size):
        index = bins[pixel]
        sums[0, index] += 1
        sums[1, index] += correct[pixel]
        sums[2, index] += np.int64(np.rint(confidence[pixel] * UNIT))


@compiled(nogil=True)
def bin_between(value: float, edges: np.ndarray) -> int:
    """Equal-width bin (low, high] of a float32 value in [0, 1]; 0 belongs to the first.

    Args:
        value: What to look up.
        edges: All edges, shape (B + 1,), float32.
    """
    bins = edges.size - 1
    index = min(int(value * np.float32(bins)), bins - 1)
    index -= value <= edges[index]
    index += value > edges[index + 1]
    return max(index, 0)


@compiled(nogil=True)
def _bins_between(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    indices = np.empty(values.size, np.int64)
    for index in range(values.size):
        indices[index] = bin_between(values[index], edges)
    return indices


def bin_edges(bins: int) -> np.ndarray:
    """Edges of ``bins`` equal intervals of [0, 1], shape (B + 1,), float32.

    Examples:
        >>> bin_edges(4).tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    return np.linspace(0, 1, bins + 1).astype(np.float32)


def equal_width_bins(confidence: np.ndarray, bins: int = 15) -> np.ndarray:
    """Bin of each confidence among ``bins`` equal intervals (low, high] of [0, 1]; 0 belongs to the first.

    Examples:
        >>> equal_width_bins(np.array([0.0, 0.25, 0.3, 1.0]), bins=4).tolist()
        [0, 0, 1, 3]
    """
    return _bins_between(np.asarray(confidence, np.float32), bin_edges(bins))


def reliability_sums(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> ReliabilitySums:
    """Sums over equal-width bins, the data of a reliability diagram.

    Args:
        confidence: Shape (n,), in [0, 1].
        correct: Shape (n,), bool.
        bins: Number of bins.

    Examples:
        >>> sums = reliability_sums(np.array([0.25, 0.75, 1.0]), correct=np.array([False, True, True]), bins=2)
        >>> sums.count.tolist(), sums.correct.tolist(), sums.confidence_sum.tolist()
        ([1, 2], [0, 2], [0.25, 1.75])
    """
    sums = np.zeros((3, bins), np.int64)
    add_to_bins(sums, equal_width_bins(confidence, bins), np.asarray(confidence), np.asarray(correct))
    return ReliabilitySums(*sums)


def sorted_sums(confidence: np.ndarray, correct: np.ndarray) -> ReliabilitySums:
    """One bin per pixel, sorted by confidence: the exact input of the rank-based errors.

    Examples:
        >>> sorted_sums(np.array([0.9, 0.6]), correct=np.array([True, False])).correct.tolist()
        [0, 1]
    """
    order = np.argsort(confidence, kind='stable')
    confidence = np.asarray(confidence, float)[order]
    return ReliabilitySums(np.ones(order.size, np.int64), np.asarray(correct)[order].astype(np.int64), confidence)


def _mean(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)


def expected_calibration_error(sums: ReliabilitySums) -> np.ndarray:
    r"""ECE :math:`= \sum_b \frac{n_b}{n} |\mathrm{conf}_b - \mathrm{acc}_b|` in [0, 1]; NaN without pixels.

    Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015.

    Examples:
        >>> sums = reliability_sums(np.full(4, 0.9), correct=np.array([True, True, True, False]))
        >>> round(float(expected_calibration_error(sums)), 4)  # 0.9 - 3/4
        0.15
    """
    return _mean(np.abs(sums.gap).sum(-1), sums.count.sum(-1))


def maximum_calibration_error(sums: ReliabilitySums) -> np.ndarray:
    """MCE: largest gap between confidence and accuracy of any bin with a pixel, in [0, 1]; NaN without pixels.

    Examples:
        >>> sums = reliability_sums(np.array([0.9, 0.9, 0.6]), correct=np.array([True, True, False]))
        >>> round(float(maximum_calibration_error(sums)), 4)  # the bin of 0.6, of which nothing is right
        0.6
    """
    gaps = np.abs(np.divide(sums.gap, sums.count, out=np.zeros(sums.gap.shape), where=sums.count > 0))
    return np.where(sums.count.sum(-1) > 0, gaps.max(-1), np.nan)


def kolmogorov_smirnov_error(sums: ReliabilitySums) -> np.ndarray:
    r"""KS :math:`= \max_k \frac1n |\sum_{i \le k} c_i - a_i|` over pixels sorted by confidence, in [0, 1].

    Gupta et al., "Calibration of Neural Networks using Splines", ICLR 2021.

    Examples:
        >>> sums = sorted_sums(np.array([0.9, 0.9, 0.6]), correct=np.array([True, True, False]))
        >>> round(float(kolmogorov_smirnov_error(sums)), 4)  # largest of 0.6, 0.6 - 0.1 and 0.6 - 0.2, over 3 pixels
        0.2
    """
    return _mean(np.abs(np.cumsum(sums.gap, -1)).max(-1, initial=0), sums.count.sum(-1))


def kolmogorov_smirnov_bound(sums: ReliabilitySums) -> np.ndarray:
    """Largest error of :func:`kolmogorov_smirnov_error` that the order within bins may hide.

    The running sum of a bin is largest if its wrong pixels come first and smallest if its right ones do.
    """
    up, down = _excursions(sums)
    before = np.cumsum(sums.gap, -1) - sums.gap
    furthest = np.maximum(before + up, down - before).max(-1, initial=0)
    return np.maximum(_mean(furthest, sums.count.sum(-1)) - kolmogorov_smirnov_error(sums), 0) + ROUNDING


def _excursions(sums: ReliabilitySums) -> tuple[np.ndarray, np.ndarray]:
    """How far confidence minus correctness, summed over some pixels of a bin, may go above and below 0.

    Confidences of a fine bin differ from their mean by at most ``FINE_STEP`` of one minus it.
    """
    doubt = 1 - _mean(sums.confidence_sum, sums.count)
    wrong = sums.count - sums.correct
    return (np.nan_to_num(wrong * np.minimum(1 - doubt / (1 + FINE_STEP), 1)),
            np.nan_to_num(sums.correct * doubt * (1 + FINE_STEP)))


def adaptive_calibration_error(sums: ReliabilitySums, bins: int = 15) -> float:
    """ECE over ``bins`` intervals that hold equally many pixels, in [0, 1]; NaN without pixels.

    Bins of ``sums`` that straddle an edge are divided in proportion.

    Args:
        sums: Fine bins in ascending order of confidence, shape (B,).
        bins: Number of intervals.

    Examples:
        >>> sums = sorted_sums(np.array([0.6, 0.6, 0.9, 0.9]), correct=np.array([True, False, True, True]))
        >>> round(adaptive_calibration_error(sums, bins=2), 4)  # 0.6 - 1/2 in one half, 1 - 0.9 in the other
        0.1
    """
    ranks = np.r_[0, np.cumsum(sums.count)]
    if not ranks[-1]:
        return float('nan')
    gaps = np.interp(np.linspace(0, ranks[-1], bins + 1), ranks, np.r_[0, np.cumsum(sums.gap)])
    return float(np.abs(np.diff(gaps)).sum() / ranks[-1])


def adaptive_calibration_bound(sums: ReliabilitySums, bins: int = 15) -> float:
    """Largest error of :func:`adaptive_calibration_error` that the order within fine bins may hide.

    Of a bin with c right ones among n pixels the first j hold between max(0, j - n + c) and min(j, c) right ones.

    Args:
        sums: Fine bins in ascending order of confidence, shape (B,).
        bins: Number of intervals.
    """
    ranks = np.r_[0, np.cumsum(sums.count)]
    if not ranks[-1]:
        return float('nan')
    edges = np.linspace(0, ranks[-1], bins + 1)[1:-1]
    index = np.clip(np.searchsorted(ranks, edges, side='right') - 1, 0, sums.count.size - 1)
    first, pixels, correct = edges - ranks[index], sums.count[index], sums.correct[index]
    expected = first * correct / pixels
    order = np.maximum(np.minimum(first, correct) - expected, expected - np.maximum(first - pixels + correct, 0))
    doubt = 1 - sums.confidence_sum[index] / pixels
    hidden = order + first * (pixels - first) / pixels * doubt * FINE_STEP
    return min(float(2 * hidden.sum() / ranks[-1]) + ROUNDING, 1.)


def published_adaptive_calibration_error(sums: ReliabilitySums, bins: int = 15) -> float:
    """Adaptive ECE with edges at interpolated ranks, as released with RELIS; the lowest confidence is left out.

    Args:
        sums: Bins in ascending order of confidence, shape (B,), best one pixel each (:func:`sorted_sums`).
        bins: Number of intervals.
    """
    ranks = np.cumsum(sums.count) - 1
    if not ranks.size or ranks[-1] < 0:
        return float('nan')
    present = sums.count > 0
    values = (sums.confidence_sum[present] / sums.count[present])
    edges = np.interp(np.linspace(0, ranks[-1] + 1, bins + 1), ranks[present], values)
    members = np.searchsorted(edges, values, side='left') - 1
    inside = (members >= 0) & (members < bins)
    gaps = np.bincount(members[inside], weights=sums.gap[present][inside], minlength=bins)
    return float(np.abs(gaps).sum() / sums.count.sum())


def published_adaptive_calibration_bound(sums: ReliabilitySums, bins: int = 15) -> float:
    """Largest error of :func:`published_adaptive_calibration_error`: an edge may divide the fine bins on both of its sides.

    Args:
        sums: Fine bins in ascending order of confidence, shape (B,).
        bins: Number of intervals.
    """
    present = sums.count > 0
    if not present.any():
        return float('nan')
    up, down = (part[present] for part in _excursions(sums))
    ranks = np.cumsum(sums.count[present])
    edges = np.linspace(0, ranks[-1], bins + 1)
    near = np.searchsorted(ranks, edges, side='left')[:, None] + np.arange(-1, 3)
    hidden = (up + down)[np.unique(np.clip(near, 0, ranks.size - 1))]
    return min(float(2 * hidden.sum() / ranks[-1]) + ROUNDING, 1.)

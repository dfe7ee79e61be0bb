"""Nonconformity curves and position-dependent thresholds, corrected for finite samples or as published."""
from __future__ import annotations

import numpy as np

from .conformity_histogram import conformal_rank, histogram_thresholds

PUBLISHED_LEVELS = np.linspace(0, 1, 100)
PUBLISHED_FEATURE_INDICES = (60, 70, 80, 90)
OWN_SCORES, CLASS_SCORES, ALL_CLASSES = 0, 1, 2


def nonconformity_scores(probabilities: np.ndarray, targets: np.ndarray, half_precision: bool = False) -> np.ndarray:
    r"""Scores :math:`1 - p_c` where class c is true, NaN elsewhere.

    Brunekreef et al., "Kandinsky conformal prediction: efficient calibration of image segmentation algorithms", CVPR 2024.

    Args:
        probabilities: Shape (N, C, \*), in [0, 1].
        targets: One-hot or multi-label truth, same shape.
        half_precision: Compute in half precision, as the published code does.

    Returns:
        Same shape, float32; higher conforms less.

    Examples:
        >>> nonconformity_scores(np.array([[0.75, 0.25]]), targets=np.array([[1, 0]])).tolist()
        [[0.25, nan]]
    """
    precision = np.float16 if half_precision else np.float32
    scores = precision(1) - probabilities.astype(precision)
    return np.where(targets.astype(bool), scores.astype(np.float32), np.float32(np.nan))


def pixel_curves(scores: np.ndarray, levels: np.ndarray = PUBLISHED_LEVELS) -> np.ndarray:
    """Quantiles over the images, for every class and pixel.

    Args:
        scores: Shape (N, C, H, W), NaN where left out.
        levels: Quantile levels, shape (L,), in [0, 1].

    Returns:
        Shape (L, C, H, W), NaN where a pixel has no score; linear interpolation, no finite-sample correction.

    Examples:
        >>> scores = np.array([0.5, 0.0, 1.0]).reshape(3, 1, 1, 1)  # one pixel in three images
        >>> pixel_curves(scores, levels=np.array([0.0, 0.5, 0.75])).ravel().tolist()
        [0.0, 0.5, 0.75]
    """
    ordered = np.sort(scores, axis=0)
    last = np.maximum((~np.isnan(scores)).sum(axis=0) - 1, 0)
    position = levels.reshape(-1, 1, 1, 1) * last
    below = np.floor(position).astype(np.int64)
    lower = np.take_along_axis(ordered, below, axis=0)
    upper = np.take_along_axis(ordered, np.minimum(below + 1, last), axis=0)
    return lower + (upper - lower) * (position - below)


def group_curves(scores: np.ndarray, groups: np.ndarray, levels: np.ndarray = PUBLISHED_LEVELS) -> np.ndarray:
    """Quantiles over the images and over the pixels of a group, for every class.

    Args:
        scores: Shape (N, C, H, W), NaN where left out.
        groups: Group of each pixel, shape (H, W), in 0..G-1; all zeros pool the whole image.
        levels: Quantile levels, shape (L,), in [0, 1].

    Returns:
        Shape (L, C, G), NaN where a group has no score.

    Examples:
        >>> scores = np.array([[0.0, 0.5, 1.0]]).reshape(1, 1, 1, 3)
        >>> group_curves(scores, groups=np.array([[0, 0, 1]]), levels=np.array([0.5])).tolist()
        [[[0.25, 1.0]]]
    """
    curves = np.full((len(levels), scores.shape[1], int(groups.max()) + 1), np.nan)
    for group in range(curves.shape[2]):
        pooled = scores[:, :, groups == group].astype(np.float64)
        for label in range(curves.shape[1]):
            kept = pooled[:, label][~np.isnan(pooled[:, label])]
            if kept.size:
                curves[:, label, group] = np.quantile(kept, levels)
    return curves


def half_precision_quantiles(scores: np.ndarray, levels: np.ndarray = PUBLISHED_LEVELS) -> np.ndarray:
    """Quantiles of any number of half-precision scores, from one count per value.

    Args:
        scores: Shape (n,), float16, in [0, 1].
        levels: Quantile levels, shape (L,), in [0, 1].

    Returns:
        Shape (L,), float64, linear interpolation; NaN without scores.

    Examples:
        >>> half_precision_quantiles(np.array([1.0, 0.0, 0.5], np.float16), levels=np.array([0.5, 0.75])).tolist()
        [0.5, 0.75]
    """
    if not scores.size:
        return np.full(len(levels), np.nan)
    # Half-precision numbers of one sign are ordered as their bits are.
    reached = np.bincount(scores.view(np.uint16)).cumsum()
    values = np.arange(len(reached), dtype=np.uint16).view(np.float16).astype(np.float64)
    position = levels * (scores.size - 1)
    below = np.floor(position).astype(np.int64)
    lower, upper = (values[np.searchsorted(reached, np.minimum(rank, scores.size - 1), side='right')]
                    for rank in (below, below + 1))
    return lower + (upper - lower) * (position - below)


def published_curve_index(alpha: float) -> int:
    """Position on the published curve that stands for 1 - alpha.

    Args:
        alpha: Above 0, at most 1.

    Returns:
        floor(100 (1 - alpha)); 99, the largest score, for any alpha up to 0.01.
    """
    return int((1 - alpha) * 100)


def rank_thresholds(scores: np.ndarray, alpha: float) -> float:
    """Smallest score threshold that covers a further score with probability at least 1 - alpha.

    Args:
        scores: Any shape; NaN are left out.
        alpha: In (0, 1).

    Returns:
        The score of rank ceil((n + 1)(1 - alpha)), infinity where there are too few.

    Examples:
        >>> rank_thresholds(np.arange(1, 10) / 10, alpha=0.2)  # the eighth of nine: (9 + 1)(1 - 0.2)
        0.8
        >>> rank_thresholds(np.arange(1, 10) / 10, alpha=0.05)
        inf
    """
    kept = np.sort(scores[~np.isnan(scores)])
    rank = int(conformal_rank(kept.size, alpha))
    return float(kept[rank - 1]) if 0 < rank <= kept.size else np.inf


def group_thresholds(histogram: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds on the conformity of each group and class, with fallback where scores are too few.

    Args:
        histogram: Counts of the conformity of true classes, shape (G, K, B), int64.
        alpha: In (0, 1).

    Returns:
        Thresholds, shape (G, K), in [0, 1], and where each comes from: :data:`OWN_SCORES`, :data:`CLASS_SCORES` of all
        groups, or :data:`ALL_CLASSES`, the threshold 0 that every probability reaches.

    Examples:
        >>> histogram = np.zeros((2, 1, 34), int)
        >>> histogram[0, 0, 1] = 9  # nine conformities from 0.5 on in the first group, none in the second
        >>> thresholds, source = group_thresholds(histogram, alpha=0.1)
        >>> thresholds.tolist(), source.tolist()
        ([[0.5], [0.5]], [[0], [1]])
    """
    own = histogram_thresholds(histogram, alpha)
    pooled = np.broadcast_to(histogram_thresholds(histogram.sum(axis=0), alpha), own.shape)
    source = np.where(~np.isnan(own), OWN_SCORES, np.where(~np.isnan(pooled), CLASS_SCORES, ALL_CLASSES))
    return np.choose(source, [own, pooled, np.zeros_like(own)]), source


def threshold_conformity(probabilities: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    r"""Conformity :math:`p / (p + t)` whose sets at 1/2 are :math:`\{p \ge t\}`; other thresholds loosen or tighten them.

    It turns thresholds of groups into one nested family, so that risk control can correct them with one number.

    Args:
        probabilities: In [0, 1].
        thresholds: In [0, 1], broadcastable; 0 always conforms.

    Returns:
        Shape of the probabilities, in [0, 1]; works on tensors too.

    Examples:
        >>> conformity = threshold_conformity(np.array([0.9, 0.3, 0.1]), thresholds=np.array([0.3, 0.3, 0.3]))
        >>> conformity.round(4).tolist()  # at least 1/2 from 0.3 on
        [0.75, 0.5, 0.25]
    """
    return (probabilities + (thresholds == 0)) / (probabilities + thresholds + (thresholds == 0))

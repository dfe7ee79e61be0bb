"""Confidence intervals by resampling scenes, or images where no scenes are known.

Pixels of one image are far too alike to be resampled, and so are the frames of one scene. A resample draws as many scenes as
there are, with replacement, and takes all images of each.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def resample_clusters(clusters: Sequence, resamples: int, seed: int) -> np.ndarray:
    """How often each image occurs in each resample, where whole clusters of images are drawn.

    Args:
        clusters: Cluster of each of M images, at least one; numbers or names, all of one kind.
        resamples: Number of resamples R.
        seed: Seed of the generator.

    Returns:
        Shape (R, M), int64; images of a cluster occur equally often.

    Examples:
        >>> weights = resample_clusters(['one', 'one', 'two'], resamples=1000, seed=0)
        >>> weights.shape, bool((weights[:, 0] == weights[:, 1]).all())  # both images of a scene, or neither
        ((1000, 3), True)
    """
    names, members = np.unique(np.asarray(clusters), return_inverse=True)
    draws = np.random.default_rng(seed).multinomial(names.size, np.full(names.size, 1 / names.size), size=resamples)
    return draws[:, members]


def resample_two_samples(first: Sequence, second: Sequence, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """How often the images of two samples occur, each resampled by itself; clusters that both hold are drawn for both.

    Args:
        first: Cluster of each image of one sample, shape (n,).
        second: Cluster of each image of the other, shape (m,).
        resamples: Number of resamples R.
        seed: Seed of the generators.

    Returns:
        Shapes (R, n) and (R, m), int64.

    Examples:
        >>> first, second = resample_two_samples(['one', 'two'], ['two', 'three'], resamples=1000, seed=0)
        >>> first.shape, second.shape
        ((1000, 2), (1000, 2))
    """
    clusters = np.r_[first, second]
    in_first, in_second = np.isin(clusters, first), np.isin(clusters, second)
    weights = np.zeros((resamples, clusters.size), np.int64)
    for offset, stratum in enumerate((in_first & ~in_second, in_second & ~in_first, in_first & in_second)):
        if stratum.any():
            weights[:, stratum] = resample_clusters(clusters[stratum], resamples, seed + offset)
    return weights[:, :len(first)], weights[:, len(first):]


def completed(values: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Values per class of resamples, with those of the whole sample where a resample lacks the class.

    A mean over classes is one over those that the whole sample defines. A resample without a class says nothing about it;
    leaving the class out there would make the interval one of other means.

    Args:
        values: Shape (R, K), NaN where undefined.
        whole: The same of all images, shape (K,), NaN where undefined.

    Returns:
        Shape (R, K), undefined exactly where ``whole`` is.

    Examples:
        >>> completed(np.array([[0.5, np.nan], [0.6, 0.8]]), whole=np.array([0.55, 0.7])).tolist()
        [[0.5, 0.7], [0.6, 0.8]]
    """
    return np.where(np.isnan(whole), np.nan, np.where(np.isnan(values), whole, values))


def percentile_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Interval that holds a share ``level`` of the resampled values, undefined ones left out; NaN if all are.

    Args:
        values: Statistic of each resample, shape (R,).
        level: Share in (0, 1).

    Examples:
        >>> percentile_interval(np.arange(101), level=0.5)
        (25.0, 75.0)
    """
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    if not values.size:
        return float('nan'), float('nan')
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

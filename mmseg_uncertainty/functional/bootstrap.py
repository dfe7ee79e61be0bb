"""Confidence intervals by resampling images; pixels of one image are far too alike to be resampled."""
from __future__ import annotations

import numpy as np


def resample_images(images: int, resamples: int, seed: int) -> np.ndarray:
    """How often each image occurs in each resample.

    Args:
        images: Number of images M, at least 1.
        resamples: Number of resamples R.
        seed: Seed of the generator.

    Returns:
        Shape (R, M), int64; every row sums to M.
    """
    return np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=resamples)


def percentile_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Interval that holds a share ``level`` of the resampled values, undefined ones left out; NaN if all are.

    Args:
        values: Statistic of each resample, shape (R,).
        level: Share in (0, 1).
    """
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    if not values.size:
        return float('nan'), float('nan')
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

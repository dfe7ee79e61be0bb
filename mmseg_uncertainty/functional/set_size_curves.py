"""How large prediction sets are at every threshold, from one small histogram per image."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .conformity_histogram import OCTAVES, bin_indices, bin_lower_edges
from .prediction_sets import SetFamily

SIZE_BITS = 5
SIZE_BINS = (OCTAVES << SIZE_BITS) + 2
PIXELS_PER_CHUNK = 2**14


def size_histogram(family: SetFamily, probabilities: Tensor, valid: Tensor, predicted: Tensor | None = None) -> Tensor:
    """Count the conformities of all classes at the labelled pixels of every image.

    Args:
        family: Family of the sets.
        probabilities: Shape (N, K, \\*), in [0, 1].
        valid: Which pixels count, shape (N, \\*), bool.
        predicted: See :meth:`~mmseg_uncertainty.functional.SetFamily.conformity`.

    Returns:
        Counts in the bins of :func:`~mmseg_uncertainty.functional.conformity_histogram.bin_lower_edges`, shape
        (N, :data:`SIZE_BINS`), int64.

    Examples:
        >>> probabilities = torch.tensor([0.6, 0.3, 0.1]).view(1, 3, 1)
        >>> histogram = size_histogram(SetFamily('lac'), probabilities, valid=torch.ones(1, 1, dtype=torch.bool))
        >>> int(histogram.sum())  # one pixel, three classes
        3
    """
    flat, counted = probabilities.flatten(2), valid.flatten(1)
    histogram = torch.zeros(len(flat), SIZE_BINS, dtype=torch.int64, device=flat.device)
    for start in range(0, flat.shape[2], PIXELS_PER_CHUNK):
        part = slice(start, start + PIXELS_PER_CHUNK)
        top = None if predicted is None else predicted.flatten(1)[:, part]
        bins = bin_indices(family.conformity(flat[..., part], top), SIZE_BITS)
        for image, kept in enumerate(counted[:, part]):
            histogram[image] += torch.bincount(bins[image][:, kept].flatten(), minlength=SIZE_BINS)
    return histogram


def mean_sizes(histogram: np.ndarray, pixels: np.ndarray, thresholds: Sequence[float] | np.ndarray) -> np.ndarray:
    r"""Classes per labelled pixel (activation ratio) of every image at some thresholds :math:`1 - \lambda`.

    Args:
        histogram: Result of :func:`size_histogram`, shape (n, :data:`SIZE_BINS`).
        pixels: Labelled pixels of every image, shape (n,).
        thresholds: Shape (Q,), in [0, 1].

    Returns:
        Shape (n, Q), float64, in 0..K; at most what thresholds 3 % smaller give, never too small; 0 without pixels.

    Examples:
        >>> probabilities = torch.tensor([0.6, 0.3, 0.1]).view(1, 3, 1)
        >>> histogram = size_histogram(SetFamily('lac'), probabilities, valid=torch.ones(1, 1, dtype=torch.bool)).numpy()
        >>> mean_sizes(histogram, pixels=np.array([1]), thresholds=[0.5, 0.2, 0.05]).tolist()
        [[1.0, 2.0, 3.0]]
    """
    edges = bin_lower_edges(SIZE_BITS)
    last = np.searchsorted(-edges, -np.asarray(thresholds, dtype=np.float64), side='left')
    reached = np.cumsum(histogram, axis=1)[:, np.minimum(last, len(edges) - 1)]
    return reached / np.maximum(pixels, 1)[:, None]

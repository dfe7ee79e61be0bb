"""Streaming histograms of conformities on the grid of shortened float32 numbers."""
from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

ONE = 0x3F800000
OCTAVES = 32


def bin_lower_edges(bits: int) -> np.ndarray:
    """Smallest conformity of each bin.

    Args:
        bits: Bins per factor of two as a power of two, in 0..23; the relative width of a bin is at most 2 ** -bits.

    Returns:
        Shape (32 * 2 ** bits + 2,), float64, descending from 1 to 0.

    Examples:
        >>> bin_lower_edges(bits=0)[:4].tolist()
        [1.0, 0.5, 0.25, 0.125]
        >>> bin_lower_edges(bits=1)[:5].tolist()
        [1.0, 0.75, 0.5, 0.375, 0.25]
    """
    steps = np.arange(OCTAVES << bits, dtype=np.int64) << (23 - bits)
    edges = (ONE - steps).astype(np.int32).view(np.float32).astype(np.float64)
    return np.concatenate([edges, [2.0**-OCTAVES, 0.0]])


def bin_indices(conformity: Tensor, bits: int) -> Tensor:
    """Bin of each conformity: the first whose lower edge does not exceed it.

    Args:
        conformity: Any shape, in [0, 1].
        bits: As in :func:`bin_lower_edges`.

    Returns:
        Same shape, int64.

    Raises:
        ValueError: A conformity is NaN or out of range, which would count as a perfect one.

    Examples:
        >>> bin_indices(torch.tensor([1.0, 0.6, 0.5, 0.3]), bits=0)
        tensor([0, 1, 1, 2])
    """
    if not bool(((conformity >= 0) & (conformity <= 1)).all()):
        raise ValueError('bin_indices: conformities must lie in [0, 1]; check the probabilities for NaN.')
    step = 1 << (23 - bits)
    distance = ONE - conformity.float().contiguous().view(torch.int32)
    return (distance + (step - 1)).div(step, rounding_mode='floor').clamp_(0, (OCTAVES << bits) + 1).long()


def conformity_histogram(conformity: Tensor,
                         group: Tensor,
                         num_groups: int,
                         bits: int,
                         out: Tensor | None = None) -> Tensor:
    """Count conformities by group.

    Args:
        conformity: Shape (P,), in [0, 1].
        group: Shape (P,), int64, in 0..G-1.
        num_groups: G.
        bits: As in :func:`bin_lower_edges`.
        out: Histogram to add to in place; a new one by default.

    Returns:
        Shape (G, 32 * 2 ** bits + 2), int64.

    Examples:
        >>> counts = conformity_histogram(torch.tensor([1.0, 0.6, 0.3]), group=torch.tensor([0, 0, 1]), num_groups=2, bits=0)
        >>> counts[:, :3].tolist()
        [[1, 1, 0], [0, 0, 1]]
    """
    num_bins = (OCTAVES << bits) + 2
    out = torch.zeros(num_groups, num_bins, dtype=torch.int64, device=conformity.device) if out is None else out
    index = group * num_bins + bin_indices(conformity, bits)
    out.view(-1).index_add_(0, index, torch.ones_like(index))
    return out


def conformal_rank(count: np.ndarray, alpha: float) -> np.ndarray:
    r"""Rank :math:`\lceil (n + 1)(1 - \alpha) \rceil` of the score that covers a further one with probability 1 - alpha.

    Args:
        count: Numbers n of scores, any shape.
        alpha: In (0, 1).

    Returns:
        Ranks, same shape, int64; a rank above n has no score.

    Examples:
        >>> conformal_rank(np.array([9, 19, 5]), alpha=0.1).tolist()  # of 5 scores there is no sixth
        [9, 18, 6]
    """
    return np.ceil((np.asarray(count) + 1) * (1 - alpha) - 1e-9).astype(np.int64)


def scores_needed(alpha: float) -> int:
    """Smallest number of scores that :func:`conformal_rank` finds a score among.

    Args:
        alpha: In (0, 1).

    Examples:
        >>> scores_needed(alpha=0.1), scores_needed(alpha=0.01)
        (9, 99)
    """
    number = max(math.floor((1 - alpha) / alpha) - 1, 1)
    while conformal_rank(number, alpha) > number:
        number += 1
    return number


def histogram_thresholds(histogram: np.ndarray, alpha: float) -> np.ndarray:
    """Threshold that a further conformity of the same group reaches with probability at least 1 - alpha.

    Args:
        histogram: Shape (\\*, B), int64, as :func:`conformity_histogram` counts.
        alpha: In (0, 1).

    Returns:
        Lower edge of the bin of the score of :func:`conformal_rank`, shape (\\*,), float64; NaN where there are too few.

    Examples:
        >>> conformity, group = torch.tensor([1.] * 8 + [0.5]), torch.zeros(9, dtype=torch.long)
        >>> histogram = conformity_histogram(conformity, group, num_groups=1, bits=0).numpy()
        >>> histogram_thresholds(histogram, alpha=0.1).tolist(), histogram_thresholds(histogram, alpha=0.05).tolist()
        ([0.5], [nan])
    """
    if histogram.ndim > 2:
        return np.stack([histogram_thresholds(part, alpha) for part in histogram])
    bits = int(np.log2((histogram.shape[-1] - 2) // OCTAVES))
    rank = conformal_rank(histogram.sum(axis=-1), alpha)
    found = (histogram.cumsum(axis=-1) < rank[..., None]).sum(axis=-1)
    # A rank above the total is found in no bin, behind the last edge.
    return np.append(bin_lower_edges(bits), np.nan)[found]

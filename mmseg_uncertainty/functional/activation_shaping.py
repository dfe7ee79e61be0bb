"""Features that are changed before they are classified."""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .score_histogram import score_keys_of_tensor, scores_of_keys

BITS = 18


def count_activations(features: Tensor) -> Tensor:
    """Numbers of values by their leading 18 bits, which tell apart values that differ by 1/512.

    Args:
        features: Any shape.

    Returns:
        Shape (2^18,), int64; counts of parts add up.

    Examples:
        >>> count_activations(torch.tensor([1., 1., 2.])).nonzero().numel()
        2
    """
    return torch.bincount(score_keys_of_tensor(features, BITS).flatten(), minlength=1 << BITS)


def activation_quantile(counts: Tensor, share: float) -> float:
    """Value below which a share of what was counted lies, linear within a cell.

    Args:
        counts: Sum of what :func:`count_activations` gave, at least one of them positive.
        share: In (0, 1).

    Examples:
        >>> counts = count_activations(torch.arange(1., 101.))
        >>> abs(activation_quantile(counts, 0.9) - 90) < 0.5
        True
    """
    ends = counts.cumsum(dim=0).double()
    wanted = share * int(counts.sum())
    cell = int(torch.searchsorted(ends, wanted))
    inside = 1 - float((ends[cell] - wanted) / counts[cell])
    low, high = scores_of_keys(np.array([cell, cell + 1], np.int64) << (32 - BITS)).tolist()
    return low + inside * (high - low)


def scale_activations(features: Tensor, percentile: float = 0.85) -> Tensor:
    r"""Multiply the features of every pixel by :math:`e^r`, r being the sum of all over the sum of the largest.

    Xu et al., "Scaling for Training Time and Post-hoc Out-of-distribution Detection Enhancement", ICLR 2024, eq. 5. Sums are
    those of positive activations; behind a ReLU these are all.

    Args:
        features: Shape (N, C, h, w).
        percentile: Share of the channels that do not count as the largest, in [0, 1).

    Returns:
        Same shape.

    Examples:
        >>> features = torch.tensor([3., 1.]).view(1, 2, 1, 1)
        >>> scale_activations(features, percentile=0.5).flatten() / features.flatten()  # exp(4 / 3)
        tensor([3.7937, 3.7937])
    """
    positive, channels = features.clamp_min(0), int(features.shape[1])
    kept = max(channels - round(channels * percentile), 1)
    largest = positive.topk(kept, dim=1).values.sum(dim=1, keepdim=True)
    ratio = positive.sum(dim=1, keepdim=True) / largest.clamp_min(torch.finfo(features.dtype).tiny)
    return features * ratio.exp()

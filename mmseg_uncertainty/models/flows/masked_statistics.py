"""Moments of maps in which some pixels do not count."""
from __future__ import annotations

import torch
from mmengine.dist import all_reduce
from torch import Tensor


@torch.no_grad()
def masked_mean_and_std(x: Tensor, weight: Tensor, floor: float = 1e-3) -> tuple[Tensor, Tensor]:
    """Weighted mean and standard deviation of every channel, over all processes.

    Args:
        x: Shape (N, C, h, w).
        weight: Shape (N, h, w), non-negative; all zero counts as all one.
        floor: Smallest standard deviation that is returned, so that a constant channel is not blown up.

    Returns:
        Mean and standard deviation, both (C,), in the dtype of ``x``.
    """
    values, weight = x.double(), weight.double().unsqueeze(1)
    count = all_sum(weight.sum())
    if count == 0:
        weight = torch.ones_like(weight)
        count = all_sum(weight.sum())
    mean = all_sum((values * weight).sum(dim=(0, 2, 3))) / count
    deviation = values - mean[:, None, None]
    variance = all_sum((deviation.square() * weight).sum(dim=(0, 2, 3))) / count
    return mean.to(x), variance.sqrt().clamp_min(floor).to(x)


def all_sum(value: Tensor) -> Tensor:
    """Sum a tensor over all processes; one process keeps it as it is."""
    value = value.clone()
    all_reduce(value, op='sum')
    return value

"""Counting on an accelerator without ever waiting for it."""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

CELLS_IN_CACHE = 1 << 16


def on_host(values: Tensor | np.ndarray) -> bool:
    """Whether numbers of ``values`` can be read without waiting for a device.

    Examples:
        >>> on_host(torch.zeros(1)), on_host(torch.zeros(1, device='meta'))
        (True, False)
    """
    return not isinstance(values, Tensor) or values.device.type == 'cpu'


def count_cells(cells: Tensor, size: int, weights: Tensor | None = None) -> Tensor:
    """Count how often every cell occurs, or sum the weights of its members.

    On a device the result has a fixed shape and is added up in int64 atomics, so nothing is read back. Most pixels fall
    into few cells, and additions to one address wait for each other; small counts are therefore spread over copies.

    Args:
        cells: Cell of each pixel, any shape, integer, not negative; cells from ``size`` on are dropped unseen.
        size: Number of cells C.
        weights: What each pixel adds, same shape, int64; 1 when omitted.

    Returns:
        Shape (C,), int64, on the device of ``cells``.

    Examples:
        >>> count_cells(torch.tensor([0, 2, 2, 7]), size=3)
        tensor([1, 0, 2])
    """
    cells = cells.reshape(-1)
    if weights is None and on_host(cells):
        return torch.from_numpy(np.bincount(cells.numpy(), minlength=size)[:size])
    copies = max(1, CELLS_IN_CACHE // (size + 1))
    places = cells.long().clamp(max=size) * copies + torch.arange(cells.numel(), device=cells.device) % copies
    weights = torch.ones_like(places[:1]).expand_as(places) if weights is None else weights.reshape(-1)
    sums = torch.zeros((size + 1) * copies, dtype=torch.int64, device=cells.device)
    return sums.scatter_add_(0, places, weights).view(size + 1, copies).sum(dim=1)[:size]

"""The sums of :mod:`.calibration_error`, added up where the logits lie; not one number is read back."""
from __future__ import annotations

import torch
from torch import Tensor

from .calibration_error import UNIT
from .device_counts import count_cells


def equal_width_cells(values: Tensor, bins: int = 15) -> Tensor:
    """The bins of :func:`~.calibration_error.equal_width_bins`, same shape as ``values``, int64."""
    # The edges of numpy's linspace, which bin_edges takes, computed in place so that none is copied from the host.
    edges = torch.arange(bins + 1, dtype=torch.float64, device=values.device).mul_(1 / bins).float()
    return torch.bucketize(values, edges).sub_(1).clamp_(0, bins - 1)


def reliability_counts(cells: Tensor, size: int, confidence: Tensor, correct: Tensor, counted: Tensor) -> Tensor:
    """What :func:`~.calibration_error.add_to_bins` adds for the pixels that count.

    Args:
        cells: Bin of each pixel, shape (n,), int64 in [0, B).
        size: Number of bins B.
        confidence: Shape (n,), in [0, 1] where counted.
        correct: Shape (n,), bool.
        counted: Shape (n,), bool.

    Returns:
        Pixels, correct pixels, and sums of the confidence in units of 2**-28, shape (3, B), int64.
    """
    cells = cells.where(counted, size)
    return torch.stack([count_cells(cells, size), count_cells(cells.where(correct, size), size),
                        count_cells(cells, size, _units(confidence))])


def class_reliability_counts(probabilities: Tensor, labels: Tensor, bins: int = 15) -> Tensor:
    """What :func:`~.softmax_statistics.class_reliability_sums` gives, as one tensor.

    Args:
        probabilities: Shape (K, n), in [0, 1] where there is a label.
        labels: Class of each pixel, shape (n,), not negative; K and above is no label.
        bins: Number of equal-width bins.

    Returns:
        Shape (3, K, bins), int64.
    """
    classes = len(probabilities)
    size, counted = classes * bins, labels < classes
    offsets = bins * torch.arange(classes, device=labels.device)[:, None]
    cells = (equal_width_cells(probabilities, bins) + offsets).where(counted, size)
    own = cells.gather(0, labels.long().clamp(max=classes - 1)[None])
    sums = [count_cells(cells, size), count_cells(own, size), count_cells(cells, size, _units(probabilities))]
    return torch.stack(sums).view(3, classes, bins)


def _units(confidence: Tensor) -> Tensor:
    return confidence.nan_to_num(0.).mul_(UNIT).round_().long()

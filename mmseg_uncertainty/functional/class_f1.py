"""F1 per class from counts, and its mean with a policy for classes that never occur."""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from . import device_counts
from .ranking import defined_mean

ABSENT_VALUES = {'ignore': np.nan, 'perfect': 1., 'zero': 0.}


def class_counts(predictions: Tensor, labels: Tensor, classes: int) -> Tensor:
    """True positives, false positives and false negatives of every class.

    Args:
        predictions: Predicted classes, any shape, in [0, classes).
        labels: True classes, same shape, not negative; pixels of labels beyond the classes are left out.
        classes: Number of classes K.

    Returns:
        Shape (3, K), int64, on the device of the arguments.
    """
    if device_counts.on_host(labels):
        cells = np.multiply(labels.numpy(), classes, dtype=np.int64)
        cells += predictions.numpy()
        cells = torch.from_numpy(cells)
    else:
        cells = labels.long() * classes + predictions
    confusion = device_counts.count_cells(cells, classes**2).view(classes, classes)
    hits = confusion.diagonal()
    return torch.stack([hits, confusion.sum(0) - hits, confusion.sum(1) - hits])


def f1_per_class(counts: np.ndarray, absent: str = 'ignore') -> np.ndarray:
    r""":math:`F_1 = TP / (TP + (FP + FN) / 2)` of every class.

    Args:
        counts: True positives, false positives, false negatives, shape (\\*, 3, K).
        absent: Value of a class that neither occurs nor is predicted: ``'ignore'`` (NaN), ``'perfect'`` (1, as in
            deepcs, which inflates a mean over few occurring classes) or ``'zero'``.

    Returns:
        Shape (\\*, K), in [0, 1].
    """
    if absent not in ABSENT_VALUES:
        raise ValueError(f'absent={absent!r} is unknown; choose from {list(ABSENT_VALUES)}.')
    true, false, missed = np.moveaxis(np.asarray(counts, float), -2, 0)
    total = true + (false + missed) / 2
    return np.divide(true, total, out=np.full(total.shape, ABSENT_VALUES[absent]), where=total > 0)


def macro_f1(counts: np.ndarray, absent: str = 'ignore') -> np.ndarray:
    r"""Plain mean of :func:`f1_per_class`, shape (\*), undefined classes left out; NaN if all are."""
    return defined_mean(f1_per_class(counts, absent))

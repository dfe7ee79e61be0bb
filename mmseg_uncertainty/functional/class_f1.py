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

    Examples:
        >>> class_counts(torch.tensor([0, 0, 1]), labels=torch.tensor([0, 1, 1]), classes=2).tolist()
        [[1, 1], [1, 0], [0, 1]]
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

    Examples:
        >>> f1_per_class(np.array([[1, 3], [1, 0], [1, 2]])).tolist()  # 1 / (1 + 1), 3 / (3 + 1)
        [0.5, 0.75]
    """
    if absent not in ABSENT_VALUES:
        raise ValueError(f'absent={absent!r} is unknown; choose from {list(ABSENT_VALUES)}.')
    true, false, missed = np.moveaxis(np.asarray(counts, float), -2, 0)
    total = true + (false + missed) / 2
    return np.divide(true, total, out=np.full(total.shape, ABSENT_VALUES[absent]), where=total > 0)


def macro_f1(counts: np.ndarray, absent: str = 'ignore') -> np.ndarray:
    r"""Plain mean of :func:`f1_per_class`, shape (\*), undefined classes left out; NaN if all are.

    Examples:
        >>> counts = np.array([[1, 3, 0], [1, 0, 0], [1, 2, 0]])  # the last class neither occurs nor is predicted
        >>> float(macro_f1(counts)), float(macro_f1(counts, absent='perfect'))
        (0.625, 0.75)
    """
    return defined_mean(f1_per_class(counts, absent))

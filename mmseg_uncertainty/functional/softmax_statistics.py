"""Sums over the pixels of one image that calibration is measured from, in one pass over its logits."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .calibration_error import UNIT, ReliabilitySums, equal_width_bins


@dataclass(frozen=True)
class SoftmaxStatistics:
    """Calibration of the labelled pixels of one image.

    Args:
        confidence: Largest probability of each pixel, shape (n,), float32.
        correct: Whether the arg-max is the label, shape (n,), bool.
        nll: Sum of the negative log-likelihoods of the labels, in nats.
        brier: Sum over pixels of the squared distance between probabilities and one-hot label, each in [0, 2].
        probabilities: Shape (K, n), float32.
    """

    confidence: np.ndarray
    correct: np.ndarray
    nll: float
    brier: float
    probabilities: Tensor


def softmax_statistics(logits: Tensor, labels: Tensor) -> SoftmaxStatistics:
    """Softmax of labelled pixels and what follows from it.

    Args:
        logits: Class logits, shape (K, n).
        labels: Class of each pixel, shape (n,), in [0, K).
    """
    logits = logits.float()
    top, predicted = logits.max(dim=0)
    probabilities = (logits - top).exp_()
    total = probabilities.sum(dim=0)
    labels = labels.long()[None]
    nll = top + total.log() - logits.gather(0, labels)[0]
    probabilities /= total
    brier = probabilities.square().sum(dim=0) - 2 * probabilities.gather(0, labels)[0] + 1
    return SoftmaxStatistics(
        confidence=total.reciprocal().clamp_(max=1).cpu().numpy(),
        correct=(predicted == labels[0]).cpu().numpy(),
        nll=float(nll.double().sum()),
        brier=float(brier.double().sum()),
        probabilities=probabilities)


def class_reliability_sums(probabilities: Tensor, labels: Tensor, bins: int = 15) -> ReliabilitySums:
    """One-vs-rest reliability of every class: its probability against whether it is the label.

    Nearly all probabilities lie in the first bin; those are counted as what the other bins leave over.

    Args:
        probabilities: Shape (K, n), in [0, 1].
        labels: Class of each pixel, shape (n,).
        bins: Number of equal-width bins.

    Returns:
        Sums of shape (K, bins), int64.
    """
    classes, pixels = probabilities.shape
    rows, columns = (index.cpu().numpy() for index in (probabilities > 1 / bins).nonzero(as_tuple=True))
    values = probabilities[rows, columns].cpu().numpy()
    labels = labels.cpu().numpy()
    cells = rows * bins + equal_width_bins(values, bins)
    size = classes * bins
    count, correct, confidence = (np.bincount(cells, weights, size).reshape(classes, bins)
                                  for weights in (None, labels[columns] == rows, values.astype(float)))
    confidence = np.rint(confidence * UNIT)
    count[:, 0] += pixels - count.sum(1)
    correct[:, 0] += np.bincount(labels, minlength=classes)[:classes] - correct.sum(1)
    confidence[:, 0] += np.rint(probabilities.double().sum(1).cpu().numpy() * UNIT) - confidence.sum(1)
    return ReliabilitySums(count.astype(np.int64), correct.astype(np.int64), confidence.astype(np.int64))

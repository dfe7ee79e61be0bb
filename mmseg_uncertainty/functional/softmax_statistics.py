"""Sums over the pixels of one image that calibration is measured from, in one pass over its logits."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .calibration_error import UNIT, ReliabilitySums, add_to_bins, equal_width_bins


@dataclass(frozen=True)
class SoftmaxStatistics:
    """Calibration of the m labelled ones among n pixels.

    Args:
        confidence: Largest probability of each labelled pixel, shape (m,), float32.
        correct: Whether the arg-max is the label, shape (m,), bool.
        nll: Sum of the negative log-likelihoods of the labels, in nats.
        brier: Sum over labelled pixels of the squared distance between probabilities and one-hot label, in [0, 2] each.
        probabilities: Shape (K, n), float32; 0 for pixels without label.
    """

    confidence: np.ndarray
    correct: np.ndarray
    nll: float
    brier: float
    probabilities: Tensor | None


def softmax_statistics(logits: Tensor, labels: Tensor, predictions: Tensor | None = None) -> SoftmaxStatistics:
    """Softmax of the pixels and what follows from it for those with a label.

    Args:
        logits: Class logits, shape (K, n); never looked at for pixels without label.
        labels: Class of each pixel, shape (n,), not negative; K and above is no label.
        predictions: Arg-max of the logits, shape (n,), if it is known already.
    """
    logits = logits.float()
    void = labels >= len(logits)
    target = labels.long().masked_fill(void, 0)[None]
    top = logits.amax(dim=0)
    probabilities = (logits - top).exp_()
    total = probabilities.sum(dim=0)
    nll = top + total.log() - logits.gather(0, target)[0]
    probabilities *= total.reciprocal()
    probabilities.masked_fill_(void, 0)
    brier = probabilities.square().sum(dim=0) - 2 * probabilities.gather(0, target)[0] + 1
    predictions = logits.argmax(dim=0) if predictions is None else predictions
    labelled = (~void).nonzero()[:, 0]
    return SoftmaxStatistics(
        confidence=total.reciprocal().clamp_(max=1)[labelled].cpu().numpy(),
        correct=(predictions == target[0])[labelled].cpu().numpy(),
        nll=float(nll[labelled].sum(dtype=torch.float64)),
        brier=float(brier[labelled].sum(dtype=torch.float64)),
        probabilities=probabilities)


def class_reliability_sums(probabilities: Tensor, labels: Tensor, bins: int = 15) -> ReliabilitySums:
    """One-vs-rest reliability of every class: its probability against whether it is the label.

    Nearly all probabilities lie in the first bin; those are counted as what the other bins leave over.

    Args:
        probabilities: Shape (K, n), in [0, 1], 0 for pixels without label.
        labels: Class of each pixel, shape (n,), not negative; K and above is no label.
        bins: Number of equal-width bins.

    Returns:
        Sums of shape (K, bins), int64.
    """
    classes = len(probabilities)
    totals = probabilities.sum(dim=1, dtype=torch.float64).cpu().numpy()
    rows, labels = probabilities.cpu().numpy(), labels.cpu().numpy()
    upper = [np.flatnonzero(row > np.float32(1 / bins)) for row in rows]
    values = np.concatenate([row[columns] for row, columns in zip(rows, upper)])
    correct = np.concatenate([labels[columns] == index for index, columns in enumerate(upper)])
    cells = equal_width_bins(values, bins) + np.repeat(np.arange(classes) * bins, [columns.size for columns in upper])
    sums = np.zeros((3, classes * bins), np.int64)
    add_to_bins(sums, cells, values, correct)
    sums = sums.reshape(3, classes, bins)
    present = np.bincount(labels, minlength=classes)[:classes]
    everything = np.stack([np.full(classes, present.sum()), present, np.rint(totals * UNIT).astype(np.int64)])
    sums[:, :, 0] += everything - sums.sum(2)
    return ReliabilitySums(*sums)

"""Sums over the pixels of one image that calibration is measured from, in one pass over its logits."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .calibration_error import UNIT, ReliabilitySums, bin_between, bin_edges
from .compiled import compiled


@dataclass(frozen=True)
class SoftmaxStatistics:
    """Calibration of the m labelled ones among n pixels.

    Args:
        confidence: Largest probability of each labelled pixel, shape (m,), float32.
        correct: Whether the arg-max is the label, shape (m,), bool.
        nll: Sum of the negative log-likelihoods of the labels, in nats.
        brier: Sum over labelled pixels of the squared distance between probabilities and one-hot label, in [0, 2] each.
        probabilities: Shape (K, n), float32; anything for pixels without label.
    """

    confidence: np.ndarray
    correct: np.ndarray
    nll: float
    brier: float
    probabilities: Tensor | None


@dataclass(frozen=True)
class PixelSoftmax:
    """Softmax of n pixels on the device of their logits; anything for pixels without label, for which NaN is harmless.

    Args:
        labelled: Whether a pixel has a label, shape (n,), bool.
        confidence: Largest probability, shape (n,), float32.
        correct: Whether the arg-max is the label, shape (n,), bool.
        nll: Negative log-likelihood of the label in nats, shape (n,), float32.
        brier: Squared distance between probabilities and one-hot label, shape (n,), float32, in [0, 2].
        probabilities: Shape (K, n), float32.
    """

    labelled: Tensor
    confidence: Tensor
    correct: Tensor
    nll: Tensor
    brier: Tensor
    probabilities: Tensor


def pixel_softmax(logits: Tensor, labels: Tensor, predictions: Tensor | None = None,
                  exclusive: bool = True) -> PixelSoftmax:
    """Class probabilities of every pixel; see :func:`softmax_statistics`.

    Examples:
        >>> pixels = pixel_softmax(torch.tensor([[0.75], [0.25]]).log(), labels=torch.tensor([1]))
        >>> pixels.confidence, pixels.nll, pixels.brier  # -log(0.25), 0.75² + (1 - 0.25)²
        (tensor([0.7500]), tensor([1.3863]), tensor([1.1250]))
    """
    logits = logits.float()
    void = labels >= len(logits)
    target = labels.long().masked_fill(void, 0)[None]
    predictions = logits.argmax(dim=0) if predictions is None else predictions.long()
    if not exclusive:
        probabilities = logits.sigmoid()
        nll = F.softplus(logits).sum(dim=0) - logits.gather(0, target)[0]
        brier = probabilities.square().sum(dim=0) - 2 * probabilities.gather(0, target)[0] + 1
        confidence = probabilities.gather(0, predictions[None])[0]
        return PixelSoftmax(~void, confidence, predictions == target[0], nll, brier, probabilities)
    top = logits.gather(0, predictions[None])[0]
    probabilities = (logits - top).exp_()
    total = probabilities.sum(dim=0)
    nll = top + total.log() - logits.gather(0, target)[0]
    probabilities *= total.reciprocal()
    brier = probabilities.square().sum(dim=0) - 2 * probabilities.gather(0, target)[0] + 1
    return PixelSoftmax(~void, total.reciprocal().clamp_(max=1), predictions == target[0], nll, brier, probabilities)


def softmax_statistics(logits: Tensor, labels: Tensor, predictions: Tensor | None = None,
                       exclusive: bool = True) -> SoftmaxStatistics:
    """Class probabilities of the pixels and what follows from them for those with a label, on the host.

    Args:
        logits: Class logits, shape (K, n); never looked at for pixels without label.
        labels: Class of each pixel, shape (n,), not negative; K and above is no label.
        predictions: Predicted classes, shape (n,), whose probabilities are the confidences; ``None`` is the arg-max.
        exclusive: Whether probabilities are a softmax, or one sigmoid per class; the likelihood and the Brier score are then
            those of K independent labels, of which one is 1.

    Examples:
        >>> statistics = softmax_statistics(torch.tensor([[0.75, 0.5], [0.25, 0.5]]).log(), labels=torch.tensor([0, 255]))
        >>> statistics.confidence.round(4).tolist(), statistics.correct.tolist(), statistics.brier  # one of two has a label
        ([0.75], [True], 0.125)
    """
    pixels = pixel_softmax(logits, labels, predictions, exclusive)
    labelled = pixels.labelled.nonzero()[:, 0]
    return SoftmaxStatistics(
        confidence=pixels.confidence[labelled].cpu().numpy(),
        correct=pixels.correct[labelled].cpu().numpy(),
        nll=float(pixels.nll[labelled].sum(dtype=torch.float64)),
        brier=float(pixels.brier[labelled].sum(dtype=torch.float64)),
        probabilities=pixels.probabilities)


def class_reliability_sums(probabilities: Tensor, labels: Tensor, bins: int = 15) -> ReliabilitySums:
    """One-vs-rest reliability of every class: its probability against whether it is the label.

    Args:
        probabilities: Shape (K, n), in [0, 1].
        labels: Class of each pixel, shape (n,), not negative; K and above is no label.
        bins: Number of equal-width bins.

    Returns:
        Sums of shape (K, bins), int64.

    Examples:
        >>> sums = class_reliability_sums(torch.tensor([[0.75], [0.25]]), labels=torch.tensor([0]), bins=2)
        >>> sums.count.tolist(), sums.correct.tolist()
        ([[0, 1], [1, 0]], [[0, 1], [0, 0]])
    """
    sums = np.zeros((3, len(probabilities), bins), np.int64)
    _add_classes(sums, probabilities.float().cpu().numpy(), labels.cpu().numpy(), bin_edges(bins))
    return ReliabilitySums(*sums)


@compiled(nogil=True)
def _add_classes(sums: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, edges: np.ndarray) -> None:
    classes, pixels = probabilities.shape
    for index in range(classes):
        for pixel in range(pixels):
            if labels[pixel] < classes:
                value = probabilities[index, pixel]
                # Nearly all probabilities lie in the first bin, which needs no search.
                cell = bin_between(value, edges) if value > edges[1] else 0
                sums[0, index, cell] += 1
                sums[1, index, cell] += labels[pixel] == index
                sums[2, index, cell] += np.int64(np.rint(value * UNIT))

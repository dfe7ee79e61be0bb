"""Losses of class logits, per pixel or over all pixels."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.label_values import VOID

SMALLEST_DOUBT = 1e-10


def focal_loss(logits: Tensor, labels: Tensor, gamma: float = 2.0, ignore_index: int = VOID) -> Tensor:
    r"""Softmax focal loss of every pixel, :math:`-(1 - p_y)^\gamma \log p_y`.

    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, eq. 4, with softmax in place of sigmoid.
    :math:`1 - p_y` is held above 1e-10, so that the gradient stays finite where :math:`\gamma < 1`.

    Args:
        logits: Shape (N, K, \*); computed in float32 at least.
        labels: Classes, shape (N, \*), int64.
        gamma: :math:`\gamma \ge 0`; 0 is cross-entropy.
        ignore_index: Label of pixels that do not count.

    Returns:
        Shape (N, \*), non-negative, in nats; 0 where ignored.

    Examples:
        >>> focal_loss(torch.zeros(1, 2), labels=torch.tensor([0]))  # 0.5 ** 2 * log(2)
        tensor([0.1733])
    """
    known = labels != ignore_index
    log_probabilities = at_least_float32(logits).log_softmax(dim=1)
    log_probability = log_probabilities.gather(1, labels.where(known, 0).unsqueeze(1)).squeeze(1)
    doubt = (-torch.expm1(log_probability)).clamp_min(SMALLEST_DOUBT)
    return (-doubt.pow(gamma) * log_probability).where(known, 0)


def binary_losses(logits: Tensor, labels: Tensor, ignore_index: int = VOID) -> Tensor:
    r"""Cross-entropy of K binary problems, this class against the rest, for every pixel.

    Args:
        logits: Shape (N, K, \*); with K = 1 the only logit is that of class 1.
        labels: Classes, shape (N, \*), int64.
        ignore_index: Label of pixels that do not count.

    Returns:
        Shape (N, K, \*), non-negative, in nats; 0 where ignored.

    Examples:
        >>> binary_losses(torch.zeros(1, 2), labels=torch.tensor([0]))  # log(2) for each class
        tensor([[0.6931, 0.6931]])
    """
    classes = max(logits.shape[1], 2)
    known = labels != ignore_index
    targets = F.one_hot(labels.where(known, 0), classes).movedim(-1, 1)[:, -logits.shape[1]:]
    logits = at_least_float32(logits)
    losses = F.binary_cross_entropy_with_logits(logits, targets.to(logits), reduction='none')
    return losses.where(known.unsqueeze(1), 0)


def hardest_mean(losses: Tensor, known: Tensor, share: float) -> Tensor:
    """Mean over the largest losses of each row, averaged over the rows that have any.

    Args:
        losses: Shape (M, P).
        known: Which losses count, shape (M, P), bool.
        share: Share of the losses that count to keep, in (0, 1]; rounded up to whole pixels.

    Returns:
        Scalar; 0 where nothing counts.

    Examples:
        >>> hardest_mean(torch.tensor([[1., 4., 2., 3.]]), known=torch.ones(1, 4, dtype=torch.bool), share=0.5)
        tensor(3.5000)
    """
    ranked, _ = losses.masked_fill(~known, -torch.inf).sort(dim=1, descending=True)
    kept = (share * known.sum(dim=1).double()).ceil().unsqueeze(1)
    taken = torch.arange(losses.shape[1], device=losses.device) < kept
    means = ranked.where(taken, 0).sum(dim=1, keepdim=True) / kept.clamp_min(1)
    return (means.sum() / (kept > 0).sum().clamp_min(1)).to(losses)


def matthews_correlation(probabilities: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    r"""Matthews correlation of soft predictions with the labels, the :math:`R_K` of several classes.

    :math:`\frac{c s - \sum_k p_k t_k}{\sqrt{s^2 - \sum_k p_k^2}\sqrt{s^2 - \sum_k t_k^2}}` with the total weight s, the
    weight c given to right classes, and the weights :math:`p_k, t_k` of each class in prediction and labels. Gorodkin,
    "Comparing two K-category assignments by a K-category correlation coefficient", 2004; as a loss for two classes in
    Abhishek and Hamarneh, "Matthews Correlation Coefficient Loss for Deep Convolutional Networks", ISBI 2021.

    Args:
        probabilities: Shape (N, K, \*).
        labels: Classes in [0, K), shape (N, \*), int64.
        weights: Non-negative, shape (N, \*).

    Returns:
        Scalar in [-1, 1], 1 for a perfect prediction; 0 where it is undefined, as with labels of one class only.

    Examples:
        >>> probabilities = torch.tensor([[1., 0.], [0., 1.], [1., 0.], [0., 1.]])
        >>> matthews_correlation(probabilities, labels=torch.tensor([0, 1, 0, 1]), weights=torch.ones(4))
        tensor(1.)
        >>> matthews_correlation(probabilities, labels=torch.tensor([0, 0, 1, 1]), weights=torch.ones(4))
        tensor(0.)
    """
    classes = probabilities.shape[1]
    probabilities = probabilities.movedim(1, -1).reshape(-1, classes)
    labels, weights = labels.flatten(), weights.flatten()
    total = weights.sum().clamp_min(1e-12)
    # Sums of products, not matrix products, which autocast would run in half precision.
    weights = (weights / total).unsqueeze(1)
    right = (weights * probabilities.gather(1, labels.unsqueeze(1))).sum()
    predicted = (weights * probabilities).sum(dim=0)
    true = (weights * F.one_hot(labels, classes)).sum(dim=0)
    spread = (1 - predicted.square().sum()) * (1 - true.square().sum())
    return (right - (predicted * true).sum()) / spread.clamp_min(1e-12).sqrt()


def at_least_float32(values: Tensor) -> Tensor:
    """Half-precision values as float32, others as they are.

    Examples:
        >>> at_least_float32(torch.tensor([0.5], dtype=torch.float16)).dtype
        torch.float32
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))

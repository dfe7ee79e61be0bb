"""Which pixels a detector of wrong pixels learns from, and how much each of them counts."""
from __future__ import annotations

import torch
from torch import Tensor

from mmseg_uncertainty.label_values import VOID

VOID_POLICIES = ('positive', 'ignore')


def void_weight(policy: str | float) -> float:
    """Weight of a void pixel: 1 for ``'positive'``, 0 for ``'ignore'``, or the number itself.

    Raises:
        ValueError: The policy is neither of the two words nor a non-negative number.

    Examples:
        >>> void_weight('positive'), void_weight('ignore'), void_weight(0.2)
        (1.0, 0.0, 0.2)
    """
    if policy in VOID_POLICIES:
        return float(policy == 'positive')
    if isinstance(policy, str) or policy < 0:
        raise ValueError(f'void_policy={policy!r}: choose from {VOID_POLICIES} or give a non-negative weight.')
    return float(policy)


def detection_targets(predicted: Tensor,
                      labels: Tensor,
                      void_policy: str | float = 'ignore',
                      ignore_index: int = VOID,
                      padding_label: int | None = None,
                      outlier_label: int | None = None,
                      inlier_label: int | None = None,
                      mistake_weight: float = 1.0,
                      inlier_weight: float = 1.0) -> tuple[Tensor, Tensor]:
    """Mark the pixels that the base model got wrong.

    Void pixels are wrong by definition, since no class is their class; the policy says how much they count. Padding
    that the data pipeline added never counts; where ``padding_label`` equals ``ignore_index`` the two cannot be told
    apart, so neither counts. Outliers, objects pasted for exposure, are always wrong and always count. Inliers are pixels
    of which no more is known than that the model should know them; they are never wrong.

    Args:
        predicted: Predicted classes, shape (N, H, W).
        labels: Class labels, shape (N, H, W).
        void_policy: See :func:`void_weight`.
        ignore_index: Label of void pixels.
        padding_label: Label of padding, or ``None`` if the pipeline does not pad.
        outlier_label: Label of outliers, or ``None`` if the pipeline pastes none.
        inlier_label: Label of inliers, or ``None`` if the pipeline marks none.
        mistake_weight: How much a pixel counts that has a class and was taken for another one.
        inlier_weight: How much an inlier counts.

    Returns:
        Whether a pixel is wrong, bool, and its weight, float32; both (N, H, W).

    Examples:
        >>> predicted, labels = torch.tensor([[[0, 1, 1]]]), torch.tensor([[[0, 0, 255]]])
        >>> wrong, weight = detection_targets(predicted, labels)
        >>> wrong.tolist(), weight.tolist()
        ([[[False, True, True]]], [[[1.0, 1.0, 0.0]]])
    """
    wrong = predicted != labels
    if inlier_label is not None:
        wrong = wrong & (labels != inlier_label)
    weight = torch.where(wrong, mistake_weight, 1.0).float()
    if outlier_label is not None:
        weight = weight.masked_fill(labels == outlier_label, 1.0)
    if inlier_label is not None:
        weight = weight.masked_fill(labels == inlier_label, inlier_weight)
    weight = weight.masked_fill(labels == ignore_index, void_weight(void_policy))
    if padding_label is not None:
        weight = weight.masked_fill(labels == padding_label, 0.0)
    return wrong, weight


def balanced_weight(wrong: Tensor, weight: Tensor) -> Tensor:
    """Rescale weights so that wrong and right pixels weigh the same in sum, and all of them as much as before.

    Args:
        wrong: Bool, any shape.
        weight: Non-negative, same shape.

    Returns:
        Same shape; unchanged where one of the two kinds is missing.

    Examples:
        >>> balanced_weight(torch.tensor([True, False, False, False]), torch.tensor([1., 1., 1., 1.]))  # 2 for each kind
        tensor([2.0000, 0.6667, 0.6667, 0.6667])
    """
    total, positive = weight.sum(), (weight * wrong).sum()
    negative = total - positive
    if positive == 0 or negative == 0:
        return weight
    return weight * torch.where(wrong, total / (2 * positive), total / (2 * negative))

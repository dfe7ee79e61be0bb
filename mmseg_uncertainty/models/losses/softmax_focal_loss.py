"""Focal loss for classes that exclude each other."""
from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional.class_losses import focal_loss

from .class_loss import ClassLoss


@MODELS.register_module()
class SoftmaxFocalLoss(ClassLoss):
    r"""Weighted mean :math:`\sum_i w_i \ell_i / \sum_i w_i` of the softmax focal loss, 0 where nothing is labelled.

    See :func:`~mmseg_uncertainty.functional.class_losses.focal_loss`. mmseg's ``FocalLoss`` is the sigmoid variant, one
    binary problem per class. With ``gamma=0`` this is cross-entropy, with ``class_weight`` weighted cross-entropy as
    PyTorch defines it.

    Args:
        gamma: How much less sure pixels count; 0 or more.
        options: Options of :class:`ClassLoss`.

    Raises:
        ValueError: ``gamma`` is negative.
    """

    def __init__(self, gamma: float = 2.0, loss_name: str = 'loss_focal', **options) -> None:
        super().__init__(loss_name=loss_name, **options)
        if gamma < 0:
            raise ValueError(f'SoftmaxFocalLoss: gamma={gamma} must not be negative; 0 is cross-entropy.')
        self.gamma = gamma

    def compute(self, logits: Tensor, labels: Tensor, weights: Tensor, ignore_index: int) -> Tensor:
        """Mean focal loss; see :meth:`ClassLoss.compute`."""
        losses = focal_loss(logits, labels, self.gamma, ignore_index)
        return (losses * weights).sum() / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)

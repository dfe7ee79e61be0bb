"""Base class of losses between class logits and labels."""
from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Sequence

import torch
from mmseg.models.losses.utils import get_class_weight
from torch import Tensor, nn

from mmseg_uncertainty.label_values import VOID


class ClassLoss(nn.Module, metaclass=ABCMeta):
    """A loss as mmseg's decode heads call it; pixels can weigh by their class.

    Args:
        class_weight: Weight of each class, a list or a JSON file that holds one; a pixel weighs as its class.
        loss_weight: Factor of the whole loss.
        loss_name: Key in the log; a name with the prefix ``loss_`` is optimized.
    """

    def __init__(self,
                 class_weight: Sequence[float] | str | None = None,
                 loss_weight: float = 1.0,
                 loss_name: str = 'loss_class') -> None:
        super().__init__()
        self.class_weight = get_class_weight(class_weight)
        self.loss_weight = loss_weight
        self._loss_name = loss_name

    @property
    def loss_name(self) -> str:
        """Key in the log."""
        return self._loss_name

    @abstractmethod
    def compute(self, logits: Tensor, labels: Tensor, weights: Tensor, ignore_index: int) -> Tensor:
        """The loss of a batch, a scalar.

        Args:
            logits: Class logits, shape (N, K, \\*).
            labels: Shape (N, \\*), int64.
            weights: Weight of every pixel, shape (N, \\*); 0 where ignored.
            ignore_index: Label of pixels that do not count.
        """

    def forward(self,
                logits: Tensor,
                labels: Tensor,
                weight: Tensor | None = None,
                ignore_index: int = VOID,
                **_) -> Tensor:
        """The weighted loss of a batch, a scalar.

        Args:
            logits: Class logits, shape (N, K, \\*).
            labels: Shape (N, \\*), int64.
            weight: Further weights of the pixels, shape (N, \\*), such as a pixel sampler gives.
            ignore_index: Label of pixels that do not count.
        """
        weights = self.pixel_weights(logits, labels, ignore_index)
        weights = weights if weight is None else weights * weight
        return self.loss_weight * self.compute(logits, labels, weights, ignore_index)

    def pixel_weights(self, logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
        """Weight of every pixel by its class, shape of the labels, float32 at least; 0 where ignored.

        Raises:
            ValueError: There is not one class weight per class.
        """
        known = labels != ignore_index
        dtype = torch.promote_types(logits.dtype, torch.float32)
        if self.class_weight is None:
            return known.to(dtype)
        classes = max(logits.shape[1], 2)
        if len(self.class_weight) != classes:
            raise ValueError(f'{type(self).__name__}: class_weight has {len(self.class_weight)} entries, but the model has '
                             f'{classes} classes. Give one weight per class.')
        table = torch.as_tensor(self.class_weight, dtype=dtype, device=logits.device)
        return table[labels.where(known, 0)].where(known, 0)

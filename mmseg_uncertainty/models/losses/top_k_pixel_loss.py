"""Cross-entropy over the hardest pixels."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional.class_losses import binary_losses, focal_loss, hardest_mean

from .class_loss import ClassLoss


@MODELS.register_module()
class TopKPixelLoss(ClassLoss):
    """Mean cross-entropy over the hardest share of the labelled pixels of each image.

    With ``use_sigmoid`` every class is a binary problem of its own and the hardest pixels are those of each image and
    class, as in the released Kandinsky calibration.

    Args:
        share: Share of the labelled pixels to keep, in (0, 1].
        use_sigmoid: Whether classes are binary problems.
        options: Options of :class:`ClassLoss`; weights multiply the losses before the hardest are chosen.

    Raises:
        ValueError: ``share`` is out of range.
    """

    def __init__(self, share: float = 0.5, use_sigmoid: bool = False, loss_name: str = 'loss_top_k', **options) -> None:
        super().__init__(loss_name=loss_name, **options)
        if not 0 < share <= 1:
            raise ValueError(f'TopKPixelLoss: share={share} must lie in (0, 1].')
        self.share, self.use_sigmoid = share, use_sigmoid

    def compute(self, logits: Tensor, labels: Tensor, weights: Tensor, ignore_index: int) -> Tensor:
        """Mean over the hardest; see :meth:`ClassLoss.compute`."""
        losses = (binary_losses(logits, labels, ignore_index) if self.use_sigmoid else
                  focal_loss(logits, labels, 0., ignore_index).unsqueeze(1))
        known = (labels != ignore_index).unsqueeze(1).expand_as(losses)
        rows = (losses * weights.unsqueeze(1)).flatten(2).flatten(0, 1)
        return hardest_mean(rows, known.flatten(2).flatten(0, 1), self.share)

"""One minus the Matthews correlation."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional.class_losses import at_least_float32, matthews_correlation

from .class_loss import ClassLoss


@MODELS.register_module()
class MatthewsCorrelationLoss(ClassLoss):
    """One minus the Matthews correlation of softmax and labels, in [0, 2], over all pixels of the batch.

    See :func:`~mmseg_uncertainty.functional.class_losses.matthews_correlation`. It is no mean over pixels, and labels of
    one class only give 1 whatever is predicted; put cross-entropy beside it (``loss_decode`` takes a list).
    """

    def __init__(self, loss_name: str = 'loss_mcc', **options) -> None:
        super().__init__(loss_name=loss_name, **options)

    def compute(self, logits: Tensor, labels: Tensor, weights: Tensor, ignore_index: int) -> Tensor:
        """One minus the correlation; see :meth:`ClassLoss.compute`."""
        probabilities = at_least_float32(logits).softmax(dim=1)
        return 1 - matthews_correlation(probabilities, labels.where(labels != ignore_index, 0), weights)

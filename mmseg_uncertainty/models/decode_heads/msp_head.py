"""MSPHead: see :func:`mmseg_uncertainty.functional.msp`."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional import ClassSummary, msp
from mmseg_uncertainty.runtime.score_scale import ScoreScale, probability_scale
from mmseg_uncertainty.structures import MethodInfo
from .summary_head import SummaryHead


@MODELS.register_module()
class MSPHead(SummaryHead):
    """Score pixels by one minus their largest softmax probability; see :func:`~mmseg_uncertainty.functional.msp`."""

    info = MethodInfo(
        'A Baseline for Detecting Misclassified and Out-of-Distribution Examples', 'Hendrycks and Gimpel', 2017,
        venue='ICLR', url='https://arxiv.org/abs/1610.02136', unit='probability', meaning='more likely another class')

    def score_summary(self, summary: ClassSummary) -> Tensor:
        """Score every pixel; see :meth:`SummaryHead.score_summary`."""
        return msp(summary)

    def scale(self, num_classes: int) -> ScoreScale:
        """See :meth:`ScoreHead.scale`."""
        return probability_scale(num_classes)

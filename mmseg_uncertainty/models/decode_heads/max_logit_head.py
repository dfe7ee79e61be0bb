"""MaxLogitHead: see :func:`mmseg_uncertainty.functional.max_logit`."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional import ClassSummary, max_logit
from mmseg_uncertainty.structures import MethodInfo
from .summary_head import SummaryHead


@MODELS.register_module()
class MaxLogitHead(SummaryHead):
    """Score pixels by their negative largest logit; see :func:`~mmseg_uncertainty.functional.max_logit`."""

    info = MethodInfo(
        'Scaling Out-of-Distribution Detection for Real-World Settings', 'Hendrycks et al.', 2022,
        venue='ICML', url='https://arxiv.org/abs/1911.11132', unit='logits', meaning='more unusual')

    def score_summary(self, summary: ClassSummary) -> Tensor:
        """Score every pixel; see :meth:`SummaryHead.score_summary`."""
        return self.temperature * max_logit(summary)

"""EnergyHead: see :func:`mmseg_uncertainty.functional.energy`."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional import ClassSummary, energy
from mmseg_uncertainty.structures import MethodInfo
from .summary_head import SummaryHead


@MODELS.register_module()
class EnergyHead(SummaryHead):
    """Score pixels by the free energy of their logits; see :func:`~mmseg_uncertainty.functional.energy`."""

    info = MethodInfo(
        'Energy-based Out-of-distribution Detection', 'Liu et al.', 2020,
        venue='NeurIPS', url='https://arxiv.org/abs/2010.03759', unit='logits', meaning='more unusual')

    def score_summary(self, summary: ClassSummary) -> Tensor:
        """Score every pixel; see :meth:`SummaryHead.score_summary`."""
        return energy(summary, self.temperature)

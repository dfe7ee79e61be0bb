"""EntropyHead: see :func:`mmseg_uncertainty.functional.entropy`."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional import ClassSummary, entropy
from mmseg_uncertainty.runtime.score_scale import ScoreScale, nats_scale
from mmseg_uncertainty.structures import MethodInfo
from .summary_head import SummaryHead


@MODELS.register_module()
class EntropyHead(SummaryHead):
    """Score pixels by the entropy of their class probabilities; see :func:`~mmseg_uncertainty.functional.entropy`."""

    info = MethodInfo(
        'A Mathematical Theory of Communication', 'Shannon', 1948,
        venue='Bell System Technical Journal', url='https://doi.org/10.1002/j.1538-7305.1948.tb01338.x', unit='nats',
        meaning='more classes come into question')

    def score_summary(self, summary: ClassSummary) -> Tensor:
        """Score every pixel; see :meth:`SummaryHead.score_summary`."""
        return entropy(summary)

    def scale(self, num_classes: int) -> ScoreScale:
        """See :meth:`ScoreHead.scale`."""
        return nats_scale(num_classes)

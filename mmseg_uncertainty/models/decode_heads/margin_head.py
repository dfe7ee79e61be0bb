"""MarginHead: see :func:`mmseg_uncertainty.functional.margin`."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional import ClassSummary, margin
from mmseg_uncertainty.runtime.score_scale import ScoreScale
from mmseg_uncertainty.structures import MethodInfo
from .summary_head import SummaryHead


@MODELS.register_module()
class MarginHead(SummaryHead):
    """Score pixels by how close their two largest probabilities are; see :func:`~mmseg_uncertainty.functional.margin`."""

    info = MethodInfo(
        'Active Hidden Markov Models for Information Extraction', 'Scheffer et al.', 2001,
        venue='IDA', url='https://doi.org/10.1007/3-540-44816-0_31', unit='1 − gap of two probabilities',
        meaning='closer call between two classes')

    def score_summary(self, summary: ClassSummary) -> Tensor:
        """Score every pixel; see :meth:`SummaryHead.score_summary`."""
        return margin(summary)

    def scale(self, num_classes: int) -> ScoreScale:
        """See :meth:`ScoreHead.scale`."""
        return ScoreScale('1 − gap of two probabilities', 0., 1.)

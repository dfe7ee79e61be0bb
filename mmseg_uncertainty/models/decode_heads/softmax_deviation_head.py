"""Spread of the class probabilities as a score."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional.softmax_deviation import softmax_deviation
from mmseg_uncertainty.structures import MethodInfo

from .score_head import ScoreHead


@MODELS.register_module()
class SoftmaxDeviationHead(ScoreHead):
    """Score ``STD``: see :func:`~mmseg_uncertainty.functional.softmax_deviation.softmax_deviation`."""

    info = MethodInfo(
        'Standard deviation of the softmax (score STD of the released FlowEneDet)', 'Gudovskiy et al.', 2023,
        venue='UAI', url='https://arxiv.org/abs/2305.09610', meaning='more classes come into question')

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Score every pixel; see :meth:`ScoreHead.score`."""
        return softmax_deviation(logits)

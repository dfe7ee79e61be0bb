"""Energy of scaled features."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional import energy
from mmseg_uncertainty.functional.activation_shaping import scale_activations
from mmseg_uncertainty.structures import MethodInfo

from .linear_classifier import ReadsClassifier
from .score_head import ScoreHead


@MODELS.register_module()
class SCALEHead(ReadsClassifier, ScoreHead):
    """Score by the energy of what the classifier makes of features that were scaled.

    See :func:`~mmseg_uncertainty.functional.activation_shaping.scale_activations`.

    Args:
        percentile: Share of the channels that do not count as the largest, in [0, 1).
        score_options: Options of :class:`ScoreHead`.

    Raises:
        ValueError: The share is out of range.
    """

    info = MethodInfo(
        'Scaling for Training Time and Post-hoc Out-of-distribution Detection Enhancement', 'Xu et al.', 2024,
        needs={'features'}, venue='ICLR', url='https://arxiv.org/abs/2310.00227', unit='logits', meaning='more unusual')

    def __init__(self, percentile: float = 0.85, **score_options) -> None:
        super().__init__(**score_options)
        if not 0 <= percentile < 1:
            raise ValueError(f'SCALEHead: percentile={percentile} must lie in [0, 1).')
        self.percentile = percentile

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Energy of scaled features; see :meth:`ScoreHead.score`."""
        return energy(self.classifier.summary(scale_activations(features, self.percentile)))

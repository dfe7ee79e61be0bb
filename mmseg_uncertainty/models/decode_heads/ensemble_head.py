"""How an ensemble's members disagree."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.structures import GridOutputs, MethodInfo

from mmseg_uncertainty.runtime.score_scale import ScoreScale, nats_scale, probability_scale

from .score_head import ScoreHead

MEASURES = ('mutual_information', 'entropy', 'msp')


@MODELS.register_module()
class EnsembleHead(ScoreHead):
    """Score what several models say together; works inside an ``EnsembleSegmentor`` alone.

    Args:
        measure: ``'mutual_information'``, the disagreement of the members; or ``'entropy'`` or ``'msp'`` of their mean, at
            the resolution of the classifier. See :class:`~mmseg_uncertainty.functional.ensembles.EnsembleStatistics`.
        score_options: Options of :class:`ScoreHead`; always ``resolution='native'``.

    Raises:
        ValueError: The measure is unknown.
    """

    info = MethodInfo(
        'Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles',
        'Lakshminarayanan, Pritzel and Blundell', 2017,
        venue='NeurIPS', url='https://arxiv.org/abs/1612.01474', unit='nats', meaning='less agreed upon by the members')

    def __init__(self, measure: str = 'mutual_information', **score_options) -> None:
        super().__init__(**score_options)
        if measure not in MEASURES:
            raise ValueError(f'EnsembleHead: measure={measure!r} is unknown; choose from {MEASURES}.')
        self.measure = measure
        self.resolution = 'native'

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Refuse the logits of one model; see :meth:`score_cells`."""
        return self.score_cells(GridOutputs(logits, features))

    def score_cells(self, outputs: GridOutputs) -> Tensor:
        """Score what the members said; see :meth:`ScoreHead.score_cells`.

        Raises:
            RuntimeError: There is one model only.
        """
        if outputs.members is None:
            raise RuntimeError("EnsembleHead scores several models: use model=dict(type='EnsembleSegmentor', members=[...]) "
                               'in the place of PosthocSegmentor.')
        return getattr(outputs.members, self.measure)().to(outputs.logits)

    def scale(self, num_classes: int) -> ScoreScale:
        """See :meth:`ScoreHead.scale`."""
        return probability_scale(num_classes) if self.measure == 'msp' else nats_scale(num_classes)

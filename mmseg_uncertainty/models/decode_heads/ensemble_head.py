"""How an ensemble's members disagree."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional.ensembles import EnsembleStatistics
from mmseg_uncertainty.structures import MethodInfo

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

    info = MethodInfo('Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles',
                      'Lakshminarayanan, Pritzel and Blundell', 2017)

    def __init__(self, measure: str = 'mutual_information', **score_options) -> None:
        super().__init__(**score_options)
        if measure not in MEASURES:
            raise ValueError(f'EnsembleHead: measure={measure!r} is unknown; choose from {MEASURES}.')
        self.measure = measure
        self.resolution = 'native'
        self._statistics: EnsembleStatistics | None = None

    def take(self, statistics: EnsembleStatistics) -> None:
        """Take what the members said in the last pass, at the classifier's resolution."""
        self._statistics = statistics

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Score every pixel; see :meth:`ScoreHead.score`.

        Raises:
            RuntimeError: No ensemble ran before.
        """
        statistics, self._statistics = self._statistics, None
        if statistics is None:
            raise RuntimeError("EnsembleHead scores several models: use model=dict(type='EnsembleSegmentor', members=[...]) "
                               'in the place of PosthocSegmentor.')
        return getattr(statistics, self.measure)().to(logits)

"""Regret of predictive normalized maximum likelihood."""
from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.functional.feature_distances import FeatureMoments, residual_norm
from mmseg_uncertainty.functional.regret import predictive_regret
from mmseg_uncertainty.structures import MethodInfo

from .class_checks import check_exclusive_classes
from .moment_head import MomentHead


@MODELS.register_module()
class PNMLHead(MomentHead):
    """Score by :func:`~mmseg_uncertainty.functional.regret.predictive_regret`, features scaled to unit length.

    Args:
        num_classes: Classes K of the base model.
        options: Further options of :class:`FeatureScoreHead`.
    """

    info = MethodInfo(
        'Single Layer Predictive Normalized Maximum Likelihood for Out-of-Distribution Detection', 'Bibas, Feder and Hassner',
        2021, needs={'logits', 'features'}, fitted=True, venue='NeurIPS', url='https://arxiv.org/abs/2110.09246', unit='nats',
        meaning='less to rely on')

    def bind(self, model: nn.Module) -> None:
        """See :meth:`FeatureScoreHead.bind`.

        Raises:
            TypeError: The probabilities of the base model do not sum to 1.
        """
        check_exclusive_classes(model.base, 'PNMLHead')
        super().bind(model)

    def allocate(self, channels: int) -> None:
        """Register a root of the inverse; see :meth:`FeatureScoreHead.allocate`."""
        super().allocate(channels)
        self.register_buffer('root', torch.zeros(channels, channels))

    def prepared(self, features: Tensor) -> Tensor:
        """Unit length; see :meth:`MomentHead.prepared`."""
        return F.normalize(features, dim=-1)

    def settle(self, moments: FeatureMoments) -> None:
        """Write a root of the pseudo-inverse of the sum of squares."""
        squares = moments.second_moment(torch.zeros_like(moments.means[0])) * moments.count.sum()
        values, vectors = torch.linalg.eigh(squares)
        kept = values > values[-1] * len(values) * torch.finfo(torch.float32).eps
        self.root.copy_(vectors * torch.where(kept, values.abs().rsqrt(), 0.0))

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Regret; see :meth:`ScoreHead.score`."""
        self.check_fitted()
        leverage = residual_norm(F.normalize(features, dim=1), self.root.new_zeros(len(self.root)), self.root).square()
        return predictive_regret(logits, leverage)

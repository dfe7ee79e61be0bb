"""Class-conditional Mahalanobis distance."""
from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.functional.feature_distances import FeatureMoments, mahalanobis_distance, whitening
from mmseg_uncertainty.structures import MethodInfo

from .moment_head import MomentHead


@MODELS.register_module()
class MahalanobisHead(MomentHead):
    """Score by the squared Mahalanobis distance to the nearest class mean, one covariance for all classes.

    Args:
        num_classes: Classes K of the base model.
        shrinkage: See :func:`~mmseg_uncertainty.functional.feature_distances.whitening`.
        normalize: Whether features are scaled to unit length first; Mueller and Hein, "Mahalanobis++: Improving OOD Detection
            via Feature Normalization", ICML 2025, https://arxiv.org/abs/2505.18032.
        relative: Whether the distance to the mean of all classes, by the covariance about it, is taken off; Ren et al., "A
            Simple Fix to Mahalanobis Distance for Improving Near-OOD Detection", 2021, https://arxiv.org/abs/2106.09022.
        options: Further options of :class:`FeatureScoreHead`.
    """

    info = MethodInfo(
        'A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks', 'Lee et al.', 2018,
        needs={'features'}, fitted=True,
        venue='NeurIPS', url='https://arxiv.org/abs/1807.03888', meaning='more unusual features')
    by_class = True

    def __init__(self, num_classes: int, shrinkage: float = 1e-3, normalize: bool = False, relative: bool = False,
                 **options) -> None:
        self.shrinkage, self.normalize, self.relative = shrinkage, normalize, relative
        super().__init__(num_classes, **options)

    def allocate(self, channels: int) -> None:
        """Register means and whitening factors; see :meth:`FeatureScoreHead.allocate`."""
        super().allocate(channels)
        self.register_buffer('means', torch.zeros(self.num_classes, channels))
        self.register_buffer('factor', torch.zeros(channels, channels))
        if self.relative:
            self.register_buffer('common_mean', torch.zeros(1, channels))
            self.register_buffer('common_factor', torch.zeros(channels, channels))

    def prepared(self, features: Tensor) -> Tensor:
        """Unit length where asked for; see :meth:`MomentHead.prepared`."""
        return F.normalize(features, dim=-1) if self.normalize else features

    def settle(self, moments: FeatureMoments) -> None:
        """Write means and whitening factors."""
        self.means.copy_(moments.class_means())
        self.factor.copy_(whitening(moments.within_covariance(), self.shrinkage))
        if self.relative:
            mean = moments.common_mean()
            self.common_mean.copy_(mean)
            self.common_factor.copy_(whitening(moments.second_moment(mean), self.shrinkage))

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Squared distance; see :meth:`ScoreHead.score`."""
        self.check_fitted()
        features = F.normalize(features, dim=1) if self.normalize else features
        distance = mahalanobis_distance(features, self.means, self.factor)
        if not self.relative:
            return distance
        return distance - mahalanobis_distance(features, self.common_mean, self.common_factor)

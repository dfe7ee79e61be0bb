"""Class-conditional Mahalanobis distance."""
from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional.feature_distances import mahalanobis_distance, whitening
from mmseg_uncertainty.structures import GridOutputs, MethodInfo

from .feature_moments import StreamedFeatureMoments
from .feature_score_head import FeatureScoreHead


@MODELS.register_module()
class MahalanobisHead(FeatureScoreHead):
    """Score by the squared Mahalanobis distance to the nearest class mean, one covariance for all classes.

    Args:
        num_classes: Classes K of the base model.
        shrinkage: See :func:`~mmseg_uncertainty.functional.feature_distances.whitening`.
        options: Further options of :class:`FeatureScoreHead`.
    """

    info = MethodInfo(
        'A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks', 'Lee et al.', 2018,
        needs={'features'}, fitted=True,
        venue='NeurIPS', url='https://arxiv.org/abs/1807.03888')

    def __init__(self, num_classes: int, shrinkage: float = 1e-3, **options) -> None:
        super().__init__(num_classes, **options)
        self.shrinkage = shrinkage

    def allocate(self, channels: int) -> None:
        """Register means and whitening factor; see :meth:`FeatureScoreHead.allocate`."""
        self.streamed = StreamedFeatureMoments(self.num_classes, channels)
        self.register_buffer('means', torch.zeros(self.num_classes, channels))
        self.register_buffer('factor', torch.zeros(channels, channels))

    def start_stage(self, stage: int) -> None:
        """Forget an earlier fit."""
        self.streamed.reset()

    def add(self, features: Tensor, labels: Tensor, cells: GridOutputs, metas: list[dict]) -> None:
        """Add to the sums; see :meth:`FeatureScoreHead.add`."""
        self.streamed.add(features, labels)

    def merge_ranks(self) -> None:
        """Sum over all processes."""
        self.streamed.merge_ranks()

    def finish_stage(self, stage: int) -> None:
        """Write means and whitening factor.

        Raises:
            ValueError: No feature lies under a labelled pixel.
        """
        moments = self.streamed.moments()
        self.check_labelled(int(moments.count.sum()))
        self.means.copy_(moments.class_means())
        self.factor.copy_(whitening(moments.within_covariance(), self.shrinkage))
        self.fitted.fill_(True)

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Squared distance; see :meth:`ScoreHead.score`."""
        self.check_fitted()
        return mahalanobis_distance(features, self.means, self.factor)

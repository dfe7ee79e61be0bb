"""Distance from the principal subspace."""
from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional.feature_distances import FeatureMoments, residual_basis, residual_norm
from mmseg_uncertainty.structures import MethodInfo

from .linear_classifier import ReadsClassifier
from .moment_head import MomentHead


@MODELS.register_module()
class ResidualHead(ReadsClassifier, MomentHead):
    r"""Score by the distance from the principal subspace, :math:`\|R^T(f - o)\|`.

    The origin :math:`o = -W^+ b` is where the classifier answers zero.

    Args:
        num_classes: Classes K of the base model.
        dimensions: Dimensions of the principal subspace; ``None`` takes half of the channels.
        options: Further options of :class:`FeatureScoreHead`.
    """

    info = MethodInfo(
        'ViM: Out-Of-Distribution with Virtual-logit Matching', 'Wang et al.', 2022, needs={'features'}, fitted=True,
        venue='CVPR', url='https://arxiv.org/abs/2203.10807', meaning='more unusual features')

    def __init__(self, num_classes: int, dimensions: int | None = None, **options) -> None:
        self.dimensions = dimensions
        super().__init__(num_classes, **options)

    def allocate(self, channels: int) -> None:
        """Register origin and basis; see :meth:`FeatureScoreHead.allocate`."""
        super().allocate(channels)
        self.dimensions = channels // 2 if self.dimensions is None else self.dimensions
        if not 0 < self.dimensions < channels:
            raise ValueError(f'{type(self).__name__}: dimensions={self.dimensions} must lie between 1 and {channels - 1}, the '
                             f'features have {channels} channels.')
        self.register_buffer('origin', torch.zeros(channels))
        self.register_buffer('basis', torch.zeros(channels, channels - self.dimensions))

    def settle(self, moments: FeatureMoments) -> None:
        """Write origin and basis."""
        origin = self.classifier.zero().to(moments.means)
        self.origin.copy_(origin)
        self.basis.copy_(residual_basis(moments.second_moment(origin), self.dimensions))

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Length of the residual; see :meth:`ScoreHead.score`."""
        self.check_fitted()
        return residual_norm(features, self.origin, self.basis)

"""Share of a feature in the principal subspace."""
from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional.feature_distances import FeatureMoments, principal_directions, principal_share
from mmseg_uncertainty.structures import MethodInfo

from .moment_head import MomentHead


@MODELS.register_module()
class NECOHead(MomentHead):
    """Score by the negative of :func:`~mmseg_uncertainty.functional.feature_distances.principal_share`.

    Args:
        num_classes: Classes K of the base model.
        share: Share of the variance that the subspace explains, in (0, 1).
        dimensions: Dimensions of the subspace in place of ``share``.
        max_logit: Whether the share is multiplied by the largest logit.
        options: Further options of :class:`FeatureScoreHead`.

    Raises:
        ValueError: An option is out of range.
    """

    info = MethodInfo(
        'NECO: NEural Collapse Based Out-of-distribution Detection', 'Ben Ammar et al.', 2024, needs={'logits', 'features'},
        fitted=True, venue='ICLR', url='https://arxiv.org/abs/2310.06823', meaning='more unusual features')

    def __init__(self, num_classes: int, share: float = 0.9, dimensions: int | None = None, max_logit: bool = True,
                 **options) -> None:
        if not 0 < share < 1 or (dimensions is not None and dimensions < 1):
            raise ValueError(f'NECOHead: share={share} must lie strictly between 0 and 1, and dimensions={dimensions} be at '
                             'least 1 or None.')
        self.share, self.dimensions, self.max_logit = share, dimensions, max_logit
        super().__init__(num_classes, **options)

    def allocate(self, channels: int) -> None:
        """Register the standardization and the projection on the subspace; see :meth:`FeatureScoreHead.allocate`."""
        super().allocate(channels)
        if self.dimensions is not None and self.dimensions > channels:
            raise ValueError(f'NECOHead: dimensions={self.dimensions}, and the features have {channels} channels.')
        self.register_buffer('center', torch.zeros(channels))
        self.register_buffer('deviation', torch.ones(channels))
        # Directions that do not count are zero, so that its shape does not depend on the fit.
        self.register_buffer('directions', torch.zeros(channels, channels))

    def settle(self, moments: FeatureMoments) -> None:
        """Write the standardization and the leading directions of standardized features."""
        covariance = moments.within_covariance()
        variance = covariance.diagonal()
        deviation = torch.where(variance > 0, variance, 1.0).sqrt()
        leading = principal_directions(covariance / (deviation[:, None] * deviation), self.share, self.dimensions)
        self.center.copy_(moments.means[0])
        self.deviation.copy_(deviation)
        self.directions.zero_()[:, :leading.shape[1]].copy_(leading)

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Negative share, or its product with the largest logit; see :meth:`ScoreHead.score`."""
        self.check_fitted()
        share = principal_share(features, self.center, self.deviation, self.directions)
        return -share * logits.amax(dim=1) if self.max_logit else -share

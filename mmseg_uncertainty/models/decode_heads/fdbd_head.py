"""Distance to the decision boundaries."""
from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_uncertainty.functional.boundary_distance import boundary_distance
from mmseg_uncertainty.functional.feature_distances import FeatureMoments
from mmseg_uncertainty.structures import GridOutputs, MethodInfo

from .linear_classifier import ReadsClassifier
from .moment_head import MomentHead


@MODELS.register_module()
class FDBDHead(ReadsClassifier, MomentHead):
    """Score by :func:`~mmseg_uncertainty.functional.boundary_distance.boundary_distance`.

    Args:
        num_classes: Classes K of the base model.
        options: Further options of :class:`FeatureScoreHead`.
    """

    info = MethodInfo(
        'Fast Decision Boundary based Out-of-Distribution Detector', 'Liu and Qin', 2024, needs={'logits', 'features'},
        fitted=True, venue='ICML', url='https://arxiv.org/abs/2312.11536', meaning='nearer to another class')

    def bind(self, model: nn.Module) -> None:
        """See :meth:`ReadsClassifier.bind`.

        Raises:
            TypeError: The classifier is no convolution of one pixel.
        """
        super().bind(model)
        if self.classifier.convolution.kernel_size != (1, 1):
            raise TypeError(f'FDBDHead measures distances in the space of the features of one pixel, and the classifier reads '
                            f'{self.classifier.convolution.kernel_size} of them. Choose ViMHead or MahalanobisHead.')

    def allocate(self, channels: int) -> None:
        """Register the mean feature; see :meth:`FeatureScoreHead.allocate`."""
        super().allocate(channels)
        self.register_buffer('center', torch.zeros(channels))

    def settle(self, moments: FeatureMoments) -> None:
        """Write the mean feature."""
        self.center.copy_(moments.means[0])

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Negative relative distance; see :meth:`ScoreHead.score`."""
        return self.score_cells(GridOutputs(logits, features))

    def score_cells(self, outputs: GridOutputs) -> Tensor:
        """Score about the predicted class; see :meth:`ScoreHead.score_cells`."""
        self.check_fitted()
        return boundary_distance(outputs.logits, outputs.features, self.classifier.class_weights(), self.center,
                                 outputs.classes)

"""Energy of clipped features."""
from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional import energy
from mmseg_uncertainty.functional.activation_shaping import BITS, activation_quantile, count_activations
from mmseg_uncertainty.models.flows.masked_statistics import all_sum
from mmseg_uncertainty.structures import GridOutputs, MethodInfo

from .feature_score_head import FeatureScoreHead
from .linear_classifier import ReadsClassifier


@MODELS.register_module()
class ReActHead(ReadsClassifier, FeatureScoreHead):
    r"""Score by the energy of what the classifier makes of :math:`\min(f, c)`.

    The limit c is a quantile of all features of labelled calibration pixels, whatever their channel.

    Args:
        num_classes: Classes K of the base model.
        percentile: Share of the features below the limit, in (0, 1).
        options: Further options of :class:`FeatureScoreHead`.

    Raises:
        ValueError: The share is out of range.
    """

    info = MethodInfo(
        'ReAct: Out-of-distribution Detection With Rectified Activations', 'Sun, Guo and Li', 2021, needs={'features'},
        fitted=True, venue='NeurIPS', url='https://arxiv.org/abs/2111.12797', unit='logits', meaning='more unusual')

    def __init__(self, num_classes: int, percentile: float = 0.9, **options) -> None:
        if not 0 < percentile < 1:
            raise ValueError(f'ReActHead: percentile={percentile} must lie strictly between 0 and 1.')
        self.percentile = percentile
        super().__init__(num_classes, **options)

    def allocate(self, channels: int) -> None:
        """Register limit and counts; see :meth:`FeatureScoreHead.allocate`."""
        self.register_buffer('limit', torch.tensor(torch.inf))
        self.register_buffer('counts', torch.zeros(1 << BITS, dtype=torch.int64), persistent=False)

    def start_stage(self, stage: int) -> None:
        """Forget an earlier fit."""
        self.counts.zero_()

    def add(self, features: Tensor, labels: Tensor, cells: GridOutputs, metas: list[dict]) -> None:
        """Count values; see :meth:`FeatureScoreHead.add`."""
        self.counts += count_activations(features[self.labelled(labels)])

    def merge_ranks(self) -> None:
        """Sum over all processes."""
        self.counts.copy_(all_sum(self.counts))

    def finish_stage(self, stage: int) -> None:
        """Write the limit.

        Raises:
            ValueError: No feature lies under a labelled pixel.
        """
        self.check_labelled(int(self.counts.sum()))
        self.limit.fill_(activation_quantile(self.counts, self.percentile))
        self.fitted.fill_(True)

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Energy of clipped features; see :meth:`ScoreHead.score`."""
        self.check_fitted()
        return energy(self.classifier.summary(torch.minimum(features, self.limit)))

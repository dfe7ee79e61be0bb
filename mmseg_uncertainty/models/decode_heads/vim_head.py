"""Virtual-logit matching."""
from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional import energy
from mmseg_uncertainty.functional.feature_distances import FeatureMoments, residual_norm
from mmseg_uncertainty.models.flows.masked_statistics import all_sum
from mmseg_uncertainty.structures import GridOutputs, MethodInfo

from .residual_head import ResidualHead

MATCHES = ('rms', 'mean')


@MODELS.register_module()
class ViMHead(ResidualHead):
    r"""Score by energy plus a scaled distance from the principal subspace, :math:`\alpha\|R^T(f - o)\| + E(x)`.

    The origin :math:`o = -W^+ b` is where the classifier answers zero. :math:`\alpha` matches the virtual logit to the
    largest one, :math:`\alpha = \mathrm{mean}(\max_k l_k) / \mathrm{mean}\|R^T(f - o)\|`. The score is a monotone function of
    the paper's softmax probability of the virtual logit.

    Args:
        num_classes: Classes K of the base model.
        dimensions: Dimensions of the principal subspace; ``None`` takes half of the channels.
        match: ``'mean'`` divides by the mean of the norm, as published, which takes a second pass over the calibration set;
            ``'rms'`` by its root mean square, in one pass.
        options: Further options of :class:`FeatureScoreHead`.

    Raises:
        ValueError: An option is out of range.
    """

    info = MethodInfo(
        'ViM: Out-Of-Distribution with Virtual-logit Matching', 'Wang et al.', 2022,
        needs={'logits', 'features'}, fitted=True,
        venue='CVPR', url='https://arxiv.org/abs/2203.10807', unit='logits', meaning='more unusual features')

    def __init__(self, num_classes: int, dimensions: int | None = None, match: str = 'rms', **options) -> None:
        if match not in MATCHES:
            raise ValueError(f'ViMHead: match={match!r} is unknown; choose from {MATCHES}.')
        self.match, self.stages = match, 1 + MATCHES.index(match)
        super().__init__(num_classes, dimensions, **options)

    def allocate(self, channels: int) -> None:
        """Register origin, basis and scale; see :meth:`FeatureScoreHead.allocate`."""
        super().allocate(channels)
        # Sums over labelled cells: largest logits, and norms in the second pass.
        self.register_buffer('sums', torch.zeros(2, dtype=torch.float64), persistent=False)
        self.register_buffer('alpha', torch.zeros(()))

    def start_stage(self, stage: int) -> None:
        """Forget what an earlier pass of this stage added."""
        self._stage = stage
        if stage == 0:
            super().start_stage(stage)
        self.sums[stage:].zero_()

    def add(self, features: Tensor, labels: Tensor, cells: GridOutputs, metas: list[dict]) -> None:
        """Add to the sums; see :meth:`FeatureScoreHead.add`."""
        known = self.labelled(labels)
        if self._stage:
            self.sums[1] += residual_norm(features.movedim(-1, 1), self.origin, self.basis)[known].double().sum()
            return
        super().add(features, labels, cells, metas)
        self.sums[0] += cells.logits.amax(dim=1)[known].double().sum()

    def merge_ranks(self) -> None:
        """Sum over all processes."""
        if self._stage == 0:
            super().merge_ranks()
        self.sums[self._stage] = all_sum(self.sums[self._stage])

    def finish_stage(self, stage: int) -> None:
        """Write origin, basis and scale; see :meth:`MomentHead.finish_stage`."""
        if stage == 0:
            super().finish_stage(stage)
        else:
            self.alpha.copy_(self.sums[0] / self.sums[1].clamp_min(1e-12))

    def settle(self, moments: FeatureMoments) -> None:
        """Write origin, basis and the scale of the root mean square."""
        super().settle(moments)
        second_moment, basis = moments.second_moment(self.origin.double()), self.basis.double()
        rms = torch.trace(basis.T @ second_moment @ basis).clamp_min(1e-12).sqrt()
        self.alpha.copy_(self.sums[0] / moments.count.sum() / rms)

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Energy plus scaled residual; see :meth:`ScoreHead.score`."""
        return self.alpha * super().score(logits, features) + energy(logits)

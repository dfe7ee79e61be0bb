"""Virtual-logit matching."""
from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_uncertainty.functional import energy
from mmseg_uncertainty.functional.feature_distances import residual_basis, residual_norm
from mmseg_uncertainty.models.flows.masked_statistics import all_sum
from mmseg_uncertainty.structures import GridOutputs, MethodInfo

from .feature_moments import StreamedFeatureMoments
from .feature_score_head import FeatureScoreHead


@MODELS.register_module()
class ViMHead(FeatureScoreHead):
    r"""Score by energy plus a scaled distance from the principal subspace, :math:`\alpha\|R^T(f - o)\| + E(x)`.

    The origin :math:`o = -W^+ b` is where the classifier answers zero. :math:`\alpha` matches the virtual logit to the
    largest one, :math:`\alpha = \mathrm{mean}(\max_k l_k) / \mathrm{rms}\|R^T(f - o)\|`; the paper divides by the mean of
    the norm, which would take a second pass over the data. The score is a monotone function of the paper's softmax
    probability of the virtual logit.

    Args:
        num_classes: Classes K of the base model.
        dimensions: Dimensions of the principal subspace; ``None`` takes half of the channels.
        options: Further options of :class:`FeatureScoreHead`.
    """

    info = MethodInfo(
        'ViM: Out-Of-Distribution with Virtual-logit Matching', 'Wang et al.', 2022,
        needs={'logits', 'features'}, fitted=True,
        venue='CVPR', url='https://arxiv.org/abs/2203.10807', unit='logits')

    def __init__(self, num_classes: int, dimensions: int | None = None, **options) -> None:
        self.dimensions = dimensions
        # In a tuple, so that the classifier does not become a part of the head.
        self.classifier: tuple[nn.Conv2d, ...] = ()
        super().__init__(num_classes, **options)

    def bind(self, model: nn.Module) -> None:
        """Take the classifier of the base model; see :meth:`ScoreHead.bind`.

        Raises:
            TypeError: The base model has no convolution as classifier.
        """
        self.classifier = (model.base.conv_classifier('ViMHead'), )
        super().bind(model)

    def allocate(self, channels: int) -> None:
        """Register origin, basis and scale; see :meth:`FeatureScoreHead.allocate`."""
        self.dimensions = channels // 2 if self.dimensions is None else self.dimensions
        if not 0 < self.dimensions < channels:
            raise ValueError(f'ViMHead: dimensions={self.dimensions} must lie between 1 and {channels - 1}, the features '
                             f'have {channels} channels.')
        self.streamed = StreamedFeatureMoments(1, channels)
        self.register_buffer('top_logits', torch.zeros(1, dtype=torch.float64), persistent=False)
        self.register_buffer('origin', torch.zeros(channels))
        self.register_buffer('basis', torch.zeros(channels, channels - self.dimensions))
        self.register_buffer('alpha', torch.zeros(()))

    def start_stage(self, stage: int) -> None:
        """Forget an earlier fit."""
        self.streamed.reset()
        self.top_logits.zero_()

    def add(self, features: Tensor, labels: Tensor, cells: GridOutputs, metas: list[dict]) -> None:
        """Add to the sums; see :meth:`FeatureScoreHead.add`."""
        keep = (labels >= 0) & (labels < self.num_classes)
        self.streamed.add(features[keep], torch.zeros_like(labels[keep]))
        self.top_logits += cells.logits.amax(dim=1)[keep].double().sum()

    def merge_ranks(self) -> None:
        """Sum over all processes."""
        self.streamed.merge_ranks()
        self.top_logits.copy_(all_sum(self.top_logits))

    def finish_stage(self, stage: int) -> None:
        """Write origin, basis and scale.

        Raises:
            ValueError: No feature lies under a labelled pixel.
        """
        moments = self.streamed.moments()
        self.check_labelled(int(moments.count.sum()))
        origin = self._zero_of_the_classifier().to(moments.means)
        second_moment = moments.second_moment(origin)
        basis = residual_basis(second_moment, self.dimensions)
        rms = torch.trace(basis.T @ second_moment @ basis).clamp_min(1e-12).sqrt()
        self.origin.copy_(origin)
        self.basis.copy_(basis)
        self.alpha.copy_(self.top_logits[0] / moments.count.sum() / rms)
        self.fitted.fill_(True)

    def _zero_of_the_classifier(self) -> Tensor:
        if not self.classifier:
            raise RuntimeError('ViMHead has no classifier yet; call bind(model) first.')
        classifier, = self.classifier
        weight = classifier.weight.detach().double().sum(dim=(2, 3))
        bias = weight.new_zeros(len(weight)) if classifier.bias is None else classifier.bias.detach().double()
        return -torch.linalg.pinv(weight) @ bias

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Energy plus scaled residual; see :meth:`ScoreHead.score`."""
        self.check_fitted()
        return self.alpha * residual_norm(features, self.origin, self.basis) + energy(logits)

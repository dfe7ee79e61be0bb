"""FlowEneDet: one detector of misclassified and of unknown pixels."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.functional.flow_inputs import INPUTS, flow_input, pool_channels
from mmseg_uncertainty.models.flows import FlowEneDetFlow
from mmseg_uncertainty.models.losses import FlowEneDetLoss
from mmseg_uncertainty.structures import FrozenOutputs, MethodInfo

from .score_head import ScoreHead

DEFAULT_INPUTS = ('doubt_log_odds', 'negative_energy', 'margin', 'log_entropy')


@MODELS.register_module()
class FlowEneDetHead(ScoreHead):
    r"""Score pixels by a normalizing flow over their energies; log-odds that the prediction is wrong.

    The exact variant maps scalar functions of the logits (``inputs``) through
    :class:`~mmseg_uncertainty.models.flows.FlowEneDetFlow`, conditioned on pooled features if ``conditional`` (FED-C,
    otherwise FED-U), and scores by the posterior log-odds of its two-component base. The first input is the direction in
    which the components differ at the start, so an unfitted head ranks pixels as that input does.

    Args:
        num_classes: Classes K of the base model.
        conditional: Whether the flow sees the features of the base model.
        class_condition: Whether the flow sees which class was predicted.
        condition_channels: Channels P into which features are pooled; must divide their number.
        inputs: Names out of :data:`~mmseg_uncertainty.functional.flow_inputs.INPUTS`, at least two.
        scale_factor: Resize logits and features by this factor before the flow.
        flow: Options of the flow, see :class:`~mmseg_uncertainty.models.flows.FlowEneDetFlow`.
        loss_decode: Config of the loss.
        resolution: See :class:`ScoreHead`; the conditional head always runs natively.
        score_options: Further options of :class:`ScoreHead`.

    Raises:
        ValueError: An input is unknown, or there are fewer than two.
    """

    info = MethodInfo(
        'Concurrent Misclassification and Out-of-Distribution Detection for Semantic Segmentation via Energy-Based '
        'Normalizing Flow', 'Gudovskiy et al.', 2023, needs={'logits', 'features'}, fitted=True)

    def __init__(self,
                 num_classes: int,
                 conditional: bool = False,
                 class_condition: bool = True,
                 condition_channels: int = 32,
                 inputs: Sequence[str] = DEFAULT_INPUTS,
                 scale_factor: float = 1.0,
                 flow: dict | None = None,
                 loss_decode: dict | None = None,
                 resolution: str = 'native',
                 **score_options) -> None:
        self.conditional, self.class_condition = conditional, class_condition
        super().__init__(resolution=resolution, **score_options)
        unknown = [name for name in inputs if name not in INPUTS]
        if unknown or len(inputs) < 2:
            raise ValueError(f'FlowEneDetHead: inputs={tuple(inputs)} must be at least two out of {tuple(INPUTS)}.')
        self.num_classes, self.inputs, self.scale_factor = num_classes, tuple(inputs), scale_factor
        self.condition_channels = condition_channels
        seen = num_classes * class_condition + condition_channels * conditional
        self.flow = FlowEneDetFlow(len(self.inputs), seen, **(flow or {}))
        self.loss_decode = FlowEneDetLoss() if loss_decode is None else MODELS.build(loss_decode)

    @property
    def needs_features(self) -> bool:
        """Whether the flow is conditional."""
        return self.conditional

    def flow_variables(self, logits: Tensor, features: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Input (N, D, h', w') and condition (N, P, h', w') or ``None`` of the flow; h', w' after ``scale_factor``."""
        if self.conditional and features is None:
            raise ValueError('FlowEneDetHead(conditional=True) needs the features in front of the base model\'s '
                             'classifier, and this base model yields none; use conditional=False.')
        condition = [pool_channels(features, self.condition_channels)] if self.conditional else []
        logits, *condition = [self._resize(maps) for maps in (logits, *condition)]
        if self.class_condition:
            condition.append(F.one_hot(logits.argmax(dim=1), self.num_classes).movedim(-1, 1).to(logits))
        return flow_input(logits, self.inputs), torch.cat(condition, dim=1) if condition else None

    def _resize(self, maps: Tensor) -> Tensor:
        if self.scale_factor == 1:
            return maps
        return F.interpolate(maps, scale_factor=self.scale_factor, mode='bilinear', align_corners=False)

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Posterior log-odds that the prediction is wrong; shapes as in :meth:`ScoreHead.score`."""
        return self.flow.log_odds(*self.flow_variables(logits, features))

    def loss(self, outputs: FrozenOutputs, labels: Tensor) -> dict[str, Tensor]:
        """Losses of one batch; the first batch also sets the normalization inside the flow.

        Args:
            outputs: Outputs of the frozen model.
            labels: Class labels, shape (N, H, W), int64.
        """
        wrong, weight = self.loss_decode.targets(self._at(outputs.logits, labels).argmax(dim=1), labels)
        logits = outputs.native_logits if self.resolution == 'native' else outputs.logits
        z, condition = self.flow_variables(logits.detach(), outputs.features)
        if self.training and not self.flow.initialized:
            self.flow.initialize(z, condition, F.interpolate(weight[:, None], size=z.shape[-2:], mode='area')[:, 0])
        u, log_det = self.flow(z, condition)
        log_odds = self._at(self.flow.base.log_odds(u)[:, None], labels)[:, 0]
        losses = self.loss_decode(log_odds, wrong, weight, self._log_joint(u, log_det))
        losses['wrong_share'] = (weight * wrong).sum() / weight.sum().clamp_min(1)
        return losses

    def _log_joint(self, u: Tensor, log_det: Tensor) -> Tensor | None:
        if not self.loss_decode.likelihood_weight:
            return None
        prior = self.flow.base.log_prior()[None, :, None, None]
        return (self.flow.base.log_prob(u) + log_det.unsqueeze(1) + prior) / u.shape[1]

    @staticmethod
    def _at(maps: Tensor, labels: Tensor) -> Tensor:
        if maps.shape[-2:] == labels.shape[-2:]:
            return maps
        return F.interpolate(maps, size=labels.shape[-2:], mode='bilinear', align_corners=False)

"""FlowEneDet: one detector of misclassified and of unknown pixels."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.functional.flow_inputs import (INPUTS, flow_input, pool_channels, published_flow_input,
                                                      standardize_over_image)
from mmseg_uncertainty.functional.pixel_samples import at_pixels, draw_pixels, labels_at
from mmseg_uncertainty.models import flows
from mmseg_uncertainty.models.flows.masked_statistics import all_sum
from mmseg_uncertainty.models.losses import FlowEneDetLoss
from mmseg_uncertainty.runtime.score_scale import ScoreScale
from mmseg_uncertainty.structures import FrozenOutputs, GridOutputs, MethodInfo

from .other_heads import other_heads
from .score_head import ScoreHead
from .top_logit_statistics import TopLogitStatistics

DEFAULT_INPUTS = ('doubt_log_odds', 'energy', 'gap', 'log_entropy')
VARIANTS = ('exact', 'published')


@MODELS.register_module()
class FlowEneDetHead(ScoreHead):
    r"""Score pixels by a normalizing flow over their energies, conditioned on features if ``conditional`` (FED-C or FED-U).

    The exact variant maps scalar functions of the logits (``inputs``) through
    :class:`~mmseg_uncertainty.models.flows.FlowEneDetFlow` and scores by the posterior log-odds of its two-component
    base. The first input is the direction in which the components differ at the start, so an unfitted head ranks pixels
    as that input does.

    The published variant is the released network, :class:`~mmseg_uncertainty.models.flows.PublishedFlow`, over the energy
    of standardized logits; its score is the probability in [0, 1] that the prediction is wrong.

    Args:
        num_classes: Classes K of the base model.
        conditional: Whether the flow sees the features of the base model.
        variant: ``'exact'`` or ``'published'``.
        condition_channels: Channels P into which features are pooled; must divide their number.
        standardize_features: Whether the flow sees the pooled features relative to their image, which holds better on images
            unlike those it is fitted on; see :func:`~mmseg_uncertainty.functional.flow_inputs.standardize_over_image`. A
            tile of a large image counts as an image.
        class_condition: Exact variant: whether the flow sees which class was predicted.
        inputs: Exact variant: names out of :data:`~mmseg_uncertainty.functional.flow_inputs.INPUTS`, at least two together with
            ``evidence``.
        evidence: Exact variant: names of other heads of the model whose scores are further inputs, such as the distance to
            neighbours in another layer. They must be fitted before the flow is, and are then left as they are.
        class_statistics: Published variant: see :class:`TopLogitStatistics`; ``None`` takes those of the first
            ``statistics_iterations`` training batches.
        statistics_iterations: See ``class_statistics``.
        scale_factor: Resize logits and features by this factor before the flow.
        training_pixels: Exact variant with ``kernel_size=1``: how many random pixels of each image to learn from, at the
            size of the labels, where mistakes are finest; ``None`` learns from all pixels at the flow's size.
        flow: Options of the flow of the variant.
        loss_decode: Config of the loss, by default :class:`FlowEneDetLoss`, with void pixels as positives in the
            published variant.
        resolution: See :class:`ScoreHead`; the conditional head always runs natively.
        score_options: Further options of :class:`ScoreHead`.

    Raises:
        ValueError: The variant or an input is unknown, there are fewer than two inputs, single pixels shall teach a
            flow that sees their neighbours, or evidence is given to the published variant.
    """

    info = MethodInfo(
        'Concurrent Misclassification and Out-of-Distribution Detection for Semantic Segmentation via Energy-Based '
        'Normalizing Flow', 'Gudovskiy et al.', 2023, needs={'logits', 'features'}, fitted=True,
        venue='UAI', url='https://arxiv.org/abs/2305.09610', unit='log-odds of a mistake', meaning='more likely a mistake')
    without_features = 'use conditional=False'

    def __init__(self,
                 num_classes: int,
                 conditional: bool = False,
                 variant: str = 'exact',
                 condition_channels: int = 32,
                 standardize_features: bool = False,
                 class_condition: bool = True,
                 inputs: Sequence[str] = DEFAULT_INPUTS,
                 evidence: Sequence[str] = (),
                 class_statistics: str | dict | None = None,
                 statistics_iterations: int = 200,
                 scale_factor: float = 1.0,
                 training_pixels: int | None = None,
                 flow: dict | None = None,
                 loss_decode: dict | None = None,
                 resolution: str = 'native',
                 **score_options) -> None:
        self.conditional = conditional
        super().__init__(resolution=resolution, **score_options)
        self._witnesses: tuple[Mapping[str, ScoreHead], ...] = ()
        if variant not in VARIANTS:
            raise ValueError(f'FlowEneDetHead: variant={variant!r} is unknown; choose from {VARIANTS}.')
        self.num_classes, self.variant, self.scale_factor = num_classes, variant, scale_factor
        self.condition_channels, self.statistics_iterations = condition_channels, statistics_iterations
        self.standardize_features = standardize_features
        self.training_pixels = training_pixels
        if training_pixels and (variant != 'exact' or (flow or {}).get('kernel_size') != 1):
            raise ValueError(f'FlowEneDetHead: training_pixels={training_pixels} needs a flow that sees one pixel at a time; '
                             "set variant='exact' and flow=dict(kernel_size=1), or training_pixels=None.")
        pooled = condition_channels if conditional else 0
        if variant == 'published':
            self.statistics = TopLogitStatistics(num_classes, class_statistics)
            self.flow = flows.PublishedFlow(pooled, **(flow or {}))
            void_policy, self.class_condition = 'positive', False
            if evidence:
                raise ValueError(f"FlowEneDetHead: evidence={tuple(evidence)} needs variant='exact'; the published flow takes the "
                                 'energy alone.')
        else:
            self.inputs, self.evidence = _checked(inputs, evidence)
            self.flow = flows.FlowEneDetFlow(len(self.inputs) + len(self.evidence), pooled + num_classes * class_condition,
                                             **(flow or {}))
            void_policy, self.class_condition = 'ignore', class_condition
        self.register_buffer('iterations', torch.tensor(0))
        # Batches of this run and what their pixels weigh together, over all processes.
        self.register_buffer('learned', torch.zeros(2, dtype=torch.float64), persistent=False)
        self.loss_decode = MODELS.build(loss_decode) if loss_decode else FlowEneDetLoss(void_policy)
        if variant == 'published' and self.loss_decode.likelihood_weight:
            raise ValueError("FlowEneDetHead: variant='published' has no likelihood to maximize; set "
                             "likelihood_weight=0 or use variant='exact'.")

    def bind(self, model: nn.Module) -> None:
        """Find the heads whose scores are inputs; see :meth:`ScoreHead.bind`.

        Raises:
            ValueError: There is no head of a name, it reads other heads itself, or learns by gradient.
        """
        witnesses = other_heads(model, self.evidence, 'FlowEneDetHead')
        learning = [name for name, head in witnesses.items() if hasattr(head, 'loss')]
        if learning:
            raise ValueError(f'FlowEneDetHead: evidence {learning} learns by gradient itself, and evidence must be fitted first; '
                             'name heads that need no fit or are fitted by statistics.')
        # In a tuple, so that they stay no part of this one.
        self._witnesses = (witnesses, )

    @property
    def settled(self) -> tuple[str, ...]:
        """Names of heads that a fit must leave as they are, since the flow has learned from their scores."""
        return self.evidence if self.flow.initialized else ()

    @property
    def needs_features(self) -> bool:
        """Whether the flow is conditional."""
        return self.conditional

    @property
    def feature_groups(self) -> int:
        """Groups of channels whose averages are all the head reads of the features."""
        return self.condition_channels

    def flow_variables(self, logits: Tensor, features: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """What goes into the flow.

        Args:
            logits: Class logits, shape (N, K, h, w).
            features: Input of the classifier, shape (N, V, h, w), or ``None``.

        Returns:
            Input (N, D, h', w') and condition (N, P', h', w') or ``None``; h', w' are h, w times ``scale_factor``.

        Raises:
            ValueError: Features cannot be pooled.
        """
        if self.conditional and features is None:
            raise ValueError("FlowEneDetHead(conditional=True) needs the features in front of the base model's "
                             'classifier, and this base model yields none; use conditional=False.')
        return self._cell_variables(GridOutputs(logits, features))

    def _cell_variables(self, cells: GridOutputs) -> tuple[Tensor, Tensor | None]:
        evidence, condition = self._evidence(cells), self._condition(cells)
        if self.scale_factor == 1:
            return self._flow_variables(cells, evidence, condition)
        logits, evidence, condition = ([F.interpolate(one, scale_factor=self.scale_factor, mode='bilinear',
                                                      align_corners=cells.align_corners) for one in maps]
                                       for maps in ([cells.logits], evidence, condition))
        return self._flow_variables(GridOutputs(*logits, distribution=cells.distribution), evidence, condition)

    def _flow_variables(self, cells: GridOutputs, evidence: list[Tensor],
                        condition: list[Tensor]) -> tuple[Tensor, Tensor | None]:
        if self.class_condition:
            classes = F.one_hot(cells.classes, self.num_classes).permute(0, 3, 1, 2).to(cells.logits)
            condition = [*condition, classes]
        return torch.cat([self._flow_input(cells), *evidence], dim=1), torch.cat(condition, dim=1) if condition else None

    def _evidence(self, cells: GridOutputs) -> list[Tensor]:
        if not self.evidence:
            return []
        if not self._witnesses:
            raise RuntimeError(f'FlowEneDetHead: evidence={self.evidence} names other heads of a PosthocSegmentor, and this head is '
                               'in none. Give it to one with them.')
        return [cells.score(head)[:, None].to(cells.logits) for head in self._witnesses[0].values()]

    def _condition(self, cells: GridOutputs) -> list[Tensor]:
        if not self.conditional:
            return []
        pooled = pool_channels(cells.features, self.condition_channels)
        return [standardize_over_image(pooled, cells.valid) if self.standardize_features else pooled]

    def _flow_input(self, cells: GridOutputs) -> Tensor:
        if self.variant == 'exact':
            return flow_input(cells.summary(), self.inputs)
        self.statistics.check(type(self).__name__)
        return published_flow_input(cells.logits, self.statistics.means, self.statistics.variances)

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Log-odds (exact) or probability (published) that the prediction is wrong; see :meth:`ScoreHead.score`."""
        return self.score_cells(GridOutputs(logits, features))

    def score_cells(self, outputs: GridOutputs) -> Tensor:
        """See :meth:`score` and :meth:`ScoreHead.score_cells`."""
        log_odds = self.flow.log_odds(*self._cell_variables(outputs))
        return log_odds if self.variant == 'exact' else log_odds.sigmoid()

    def scale(self, num_classes: int) -> ScoreScale:
        """Flagged where a mistake is the likelier; see :meth:`ScoreHead.scale`."""
        if self.variant == 'published':
            return ScoreScale('probability of a mistake', 0., 1., 0.5)
        return ScoreScale('log-odds of a mistake', threshold=0.)

    def loss(self, outputs: FrozenOutputs, labels: Tensor) -> dict[str, Tensor]:
        """Losses of one batch; the first batches also set statistics and normalization.

        Args:
            outputs: Outputs of the frozen model.
            labels: Class labels, shape (N, H, W), int64.
        """
        cells, output, labels = outputs.with_labels(labels)
        if self.training and self.training_pixels:
            pixels, size = draw_pixels(labels, self.training_pixels), labels.shape[-2:]
            labels = labels_at(labels, pixels)
            logits, evidence, condition = ([at_pixels(one, pixels, size, cells.align_corners) for one in maps]
                                           for maps in ([output.logits], self._evidence(cells), self._condition(cells)))
            output = GridOutputs(*logits, distribution=output.distribution)
            z, condition = self._flow_variables(output, evidence, condition)
        else:
            if self.training:
                self._observe(output, labels)
            z, condition = self._cell_variables(cells if self.resolution == 'native' else output)
        wrong, weight = self.loss_decode.targets(output.classes, labels)
        if self.training:
            self.learned += all_sum(torch.stack([torch.ones_like(self.learned[0]), weight.detach().sum(dtype=torch.float64)]))
        if self.training and not self.flow.initialized:
            self.flow.initialize(z, condition, F.interpolate(weight[:, None], size=z.shape[-2:], mode='area')[:, 0])
        log_joint = self.flow.log_joint(z, condition)
        log_odds = _at(log_joint[:, 1:] - log_joint[:, :1], labels, cells.align_corners)[:, 0]
        losses = self.loss_decode(log_odds, wrong, weight, log_joint / z.shape[1])
        losses['wrong_share'] = (weight * wrong).sum() / weight.sum().clamp_min(1)
        return losses

    def check_learned(self) -> None:
        """Raise if all batches so far were void."""
        batches, pixels = self.learned.tolist()
        if batches and not pixels:
            raise ValueError(f'{type(self).__name__}: no pixel of the training images is labelled, so there is nothing to learn '
                             'from. Check their label files and the label map.')

    def _observe(self, output: GridOutputs, labels: Tensor) -> None:
        if self.variant == 'published' and self.statistics.source is None:
            if self.iterations < self.statistics_iterations:
                self.statistics.observe(output.logits, labels, output.classes)
                self.statistics.finish()
        self.iterations += 1


def _checked(inputs: Sequence[str], evidence: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    unknown = [name for name in inputs if name not in INPUTS]
    if isinstance(evidence, str):
        raise ValueError(f'FlowEneDetHead: evidence={evidence!r} is one string; give a list of names of heads.')
    if unknown or not inputs or len(inputs) + len(evidence) < 2:
        raise ValueError(f'FlowEneDetHead: inputs={tuple(inputs)} must be at least two out of {tuple(INPUTS)}, or one beside '
                         'evidence.')
    return tuple(inputs), tuple(evidence)


def _at(maps: Tensor, labels: Tensor, align_corners: bool) -> Tensor:
    if maps.shape[-2:] == labels.shape[-2:]:
        return maps
    return F.interpolate(maps, size=labels.shape[-2:], mode='bilinear', align_corners=align_corners)

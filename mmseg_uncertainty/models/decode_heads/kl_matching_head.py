"""Distance of the class probabilities to typical ones."""
from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_uncertainty.functional.compiled import is_compiling
from mmseg_uncertainty.functional.posterior_templates import PosteriorSums, kl_matching
from mmseg_uncertainty.models.fittable import Fittable
from mmseg_uncertainty.models.flows.masked_statistics import all_sum
from mmseg_uncertainty.structures import FrozenOutputs, MethodInfo

from .class_checks import check_exclusive_classes
from .score_head import ScoreHead


@MODELS.register_module()
class KLMatchingHead(ScoreHead, Fittable):
    """Score by :func:`~mmseg_uncertainty.functional.posterior_templates.kl_matching`.

    Templates are the mean probabilities of all labelled pixels that are predicted as a class.

    Args:
        num_classes: Classes K of the base model.
        score_options: Options of :class:`ScoreHead`.
    """

    info = MethodInfo(
        'Scaling Out-of-Distribution Detection for Real-World Settings', 'Hendrycks et al.', 2022, fitted=True,
        venue='ICML', url='https://arxiv.org/abs/1911.11132', unit='nats', meaning='less like right predictions')

    def __init__(self, num_classes: int, **score_options) -> None:
        super().__init__(**score_options)
        self.num_classes = num_classes
        self.register_buffer('templates', torch.full((num_classes, num_classes), torch.nan))
        self.register_buffer('count', torch.zeros(num_classes, dtype=torch.int64), persistent=False)
        self.register_buffer('sums', torch.zeros(num_classes, num_classes, dtype=torch.float64), persistent=False)

    def bind(self, model: nn.Module) -> None:
        """See :meth:`ScoreHead.bind`.

        Raises:
            TypeError: The probabilities of the base model do not sum to 1.
        """
        check_exclusive_classes(model.base, 'KLMatchingHead')

    def start_stage(self, stage: int) -> None:
        """Forget an earlier fit."""
        self.count.zero_()
        self.sums.zero_()

    def update(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> None:
        """Add one batch at the size of the labels."""
        known = (labels >= 0) & (labels < self.num_classes)
        count, sums = PosteriorSums.of(outputs.logits.movedim(1, -1)[known])
        self.count += count
        self.sums += sums

    def merge_ranks(self) -> None:
        """Sum over all processes."""
        self.count.copy_(all_sum(self.count))
        self.sums.copy_(all_sum(self.sums))

    def finish_stage(self, stage: int) -> None:
        """Write the templates.

        Raises:
            ValueError: No pixel is labelled.
        """
        if not self.count.any():
            raise ValueError('KLMatchingHead: no pixel of the calibration images is labelled, so there is nothing to fit on. '
                             'Check their label files and the label map.')
        self.templates.copy_(PosteriorSums(self.count, self.sums).templates())

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Divergence from the nearest template; see :meth:`ScoreHead.score`."""
        if not is_compiling() and self.templates.isnan().all():
            raise RuntimeError('KLMatchingHead was not fitted: run tools/train.py with a config whose train_cfg is a '
                               'CalibrationLoop, or load a fitted checkpoint.')
        return kl_matching(logits, self.templates)

"""Several scores in one."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmengine.dist import all_gather
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_uncertainty.functional.class_statistics import Moments
from mmseg_uncertainty.functional.combined_scores import REDUCTIONS, combine_scores
from mmseg_uncertainty.functional.compiled import is_compiling
from mmseg_uncertainty.models.fittable import Fittable
from mmseg_uncertainty.models.utils.native_maps import scores_at_labels
from mmseg_uncertainty.structures import FrozenOutputs, GridOutputs, MethodInfo

from .other_heads import other_heads
from .score_head import ScoreHead


@MODELS.register_module()
class SumOfScoresHead(ScoreHead, Fittable):
    """Add up other heads of the model, or take the largest, each standardized over the calibration set.

    The maps of the others are read at output size, so that this head costs no more than a sum. It is fitted in one pass, after
    those of its heads that are fitted by statistics. The sum of nearest neighbours of a chosen layer and energy is the cDNP of
    Galesso et al. but for its scaling, which was by extremes.

    Args:
        num_classes: Classes K of the base model.
        heads: Names of other heads, at least two.
        reduction: ``'sum'`` or ``'max'``.
        score_options: Options of :class:`ScoreHead`.

    Raises:
        ValueError: The reduction is unknown, or there are fewer than two names.
    """

    info = MethodInfo(
        'Far Away in the Deep Space: Dense Nearest-Neighbor-Based Out-of-Distribution Detection', 'Galesso et al.', 2023,
        fitted=True, venue='ICCV Workshops', url='https://arxiv.org/abs/2211.06660', unit='standard deviations',
        meaning='more unusual')

    def __init__(self, num_classes: int, heads: Sequence[str], reduction: str = 'sum', **score_options) -> None:
        super().__init__(**score_options)
        if reduction not in REDUCTIONS or isinstance(heads, str) or len(set(heads)) < 2:
            raise ValueError(f'SumOfScoresHead: reduction={reduction!r} must be one of {REDUCTIONS}, and heads={heads!r} name at '
                             'least two heads.')
        self.num_classes, self.members, self.reduction = num_classes, tuple(dict.fromkeys(heads)), reduction
        count = len(self.members)
        self.register_buffer('means', torch.zeros(count, dtype=torch.float64))
        self.register_buffer('deviations', torch.ones(count, dtype=torch.float64))
        self.register_buffer('fitted', torch.tensor(False))
        for name, values in Moments.empty(count)._asdict().items():
            self.register_buffer(name, values, persistent=False)
        # In a tuple, so that the heads stay no part of this one.
        self._scorers: tuple[Mapping[str, ScoreHead], ...] = ()

    def bind(self, model: nn.Module) -> None:
        """Find the other heads; see :meth:`ScoreHead.bind`.

        Raises:
            ValueError: There is no head of a name, or it is a sum itself.
        """
        self._scorers = (other_heads(model, self.members, 'SumOfScoresHead'), )
        self.stages = 1 + max(head.stages if isinstance(head, Fittable) else 0 for head in self.scorers.values())

    @property
    def scorers(self) -> Mapping[str, ScoreHead]:
        """The other heads, by name."""
        return self._scorers[0]

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """See :meth:`score_cells`."""
        return self.score_cells(GridOutputs(logits, features))

    def score_cells(self, outputs: GridOutputs) -> Tensor:
        """Score the cells by the other heads, where all can be asked; see :meth:`ScoreHead.score_cells`."""
        return self.combine({name: head(outputs) for name, head in self.scorers.items()})

    def combine(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Sum or maximum of the maps of other heads, all of one shape.

        Raises:
            RuntimeError: The head was not fitted.
        """
        if not is_compiling() and not self.fitted:
            raise RuntimeError('SumOfScoresHead was not fitted: run tools/train.py with a config whose train_cfg is a '
                               'CalibrationLoop, or load a fitted checkpoint.')
        return combine_scores([maps[name] for name in self.members], self.means, self.deviations, self.reduction)

    def start_stage(self, stage: int) -> None:
        """Forget an earlier fit; see :class:`~mmseg_uncertainty.models.fittable.Fittable`."""
        self._is_last = stage == self.stages - 1
        self._store(Moments.empty(len(self.members)))

    def update(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> None:
        """Add the scores of labelled pixels, once the other heads are fitted."""
        if not self._is_last:
            return
        known, size = (labels >= 0) & (labels < self.num_classes), tuple(labels.shape[-2:])
        for index, (name, head) in enumerate(self.scorers.items()):
            values = scores_at_labels(outputs, head, size)[known]
            if not values.isfinite().all():
                raise ValueError(f'SumOfScoresHead: the head {name!r} gives NaN or infinite scores of labelled pixels, which '
                                 'cannot be standardized. Leave it out of heads.')
            self._store(self._moments().merge(Moments.of(values, torch.full_like(values, index, dtype=torch.int64),
                                                         len(self.members))))

    def merge_ranks(self) -> None:
        """Merge the moments of all processes."""
        moments = Moments.empty(len(self.members))
        for parts in zip(*(all_gather(values) for values in self._moments())):
            moments = moments.merge(Moments(*parts))
        self._store(moments)

    def finish_stage(self, stage: int) -> None:
        """Write means and standard deviations.

        Raises:
            ValueError: No pixel is labelled.
        """
        if not self._is_last:
            return
        if not self.count.any():
            raise ValueError('SumOfScoresHead: no pixel of the calibration images is labelled, so there is nothing to fit on. '
                             'Check their label files and the label map.')
        means, variances = self._moments().mean_and_variance(unseen=(0., 1.))
        self.means.copy_(means)
        self.deviations.copy_(variances.sqrt())
        self.fitted.fill_(True)

    def _moments(self) -> Moments:
        return Moments(self.count, self.mean, self.squares)

    def _store(self, moments: Moments) -> None:
        for name, values in moments._asdict().items():
            setattr(self, name, values)

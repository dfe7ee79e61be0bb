"""Flags pixels of a score above a threshold that keeps a promise."""
from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_uncertainty.functional.conformal_splits import check_distinct
from mmseg_uncertainty.functional.flag_counts import (FEWEST_BITS, FLAG_BITS, MOST_BITS, NEGATIVE, POSITIVE, UNKNOWN,
                                                      tabulate_flags)
from mmseg_uncertainty.functional.flag_promises import FlagPromise, choose_threshold
from mmseg_uncertainty.functional.label_space import LabelSpace
from mmseg_uncertainty.label_values import ANOMALY, VOID
from mmseg_uncertainty.models.decode_heads import ScoreHead
from mmseg_uncertainty.models.fittable import Fittable
from mmseg_uncertainty.models.utils.native_maps import scores_at_labels
from mmseg_uncertainty.runtime.near_names import did_you_mean
from mmseg_uncertainty.structures import FrozenOutputs, MethodInfo

from .flag_curves import FlagCurves

UNITS = ('image', 'scene')


@MODELS.register_module()
class FlagThreshold(BaseModule, Fittable):
    """Flag the pixels whose score exceeds a threshold that promises something of further images.

    One pass counts what every promise depends on, and the checkpoint keeps it: a config with another promise has another
    threshold when the checkpoint is loaded, and :meth:`recalibrate` chooses one without the images.

    Args:
        head: Name of the head whose score is compared.
        promise: One of :data:`~mmseg_uncertainty.functional.flag_promises.PROMISES`.
        alpha: Level, in (0, 1).
        unit: ``'image'``, or ``'scene'``: losses are averaged in units that the calibration plan keeps together, and units
            are counted. The promise is then about an image of a further scene.
        bits: See :func:`~mmseg_uncertainty.functional.flag_counts.tabulate_flags`.
        region_sizes: Further sizes of regions for which alarms of frames may be promised later.
        init_cfg: See :class:`mmengine.model.BaseModule`.
        options: Further arguments of :class:`~mmseg_uncertainty.functional.flag_promises.FlagPromise`.

    Attributes:
        threshold: Pixels are flagged where ``score > threshold``, float32; infinite where everything or nothing is flagged,
            NaN before a fit.
        feasible: Whether there were enough images for the promise.
        curves: What was kept of the calibration images.

    Raises:
        ValueError: An option is out of range.
    """

    promises = True
    info = MethodInfo(
        'Conformal risk control', 'Angelopoulos et al.', 2024, needs={'logits', 'labels'}, fitted=True,
        venue='ICLR', url='https://arxiv.org/abs/2208.02814')

    def __init__(self,
                 head: str,
                 promise: str = 'false_alarms',
                 alpha: float = 0.01,
                 unit: str = 'image',
                 bits: int = FLAG_BITS,
                 region_sizes: Sequence[int] = (),
                 init_cfg: dict | None = None,
                 **options) -> None:
        super().__init__(init_cfg)
        if unit not in UNITS or not FEWEST_BITS <= bits <= MOST_BITS:
            raise ValueError(f'FlagThreshold: unit={unit!r} must be one of {UNITS}, and bits={bits} lie in '
                             f'{FEWEST_BITS}..{MOST_BITS}.')
        self.head, self.unit, self.bits = head, unit, bits
        self.promise = _promise(promise, alpha, options)
        self.region_sizes = tuple(sorted({*region_sizes, *([self.promise.region] if self.promise.region else [])}))
        self.curves = FlagCurves()
        self.register_buffer('threshold', torch.tensor(torch.nan))
        self.register_buffer('feasible', torch.tensor(False))
        self._scorer: tuple[ScoreHead, ...] = ()
        self.register_load_state_dict_post_hook(_choose_for_own_promise)

    def bind(self, model: nn.Module) -> None:
        """Find the head; the segmentor calls this once.

        Raises:
            ValueError: There is no head of this name.
        """
        heads = model.uncertainty_heads
        if self.head not in heads:
            raise ValueError(f'FlagThreshold: head={self.head!r} is none of the heads {sorted(heads)}.'
                             f'{did_you_mean(self.head, heads)} Add it to uncertainty_heads, or name another.')
        # In a tuple, so that the head stays no part of this module.
        self._scorer, self.num_classes = (heads[self.head], ), model.num_classes

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the head and of those whose scores it reads."""
        scorer = self._scorer[0]
        return (self.head, *scorer.members, *scorer.evidence)

    def is_fitted(self) -> bool:
        """Whether a threshold was chosen or loaded."""
        return not bool(self.threshold.isnan())

    def forward(self, scores: Tensor) -> Tensor:
        """Which pixels are flagged, same shape, bool.

        Raises:
            RuntimeError: The threshold was never chosen.
        """
        if not self.is_fitted():
            raise RuntimeError('FlagThreshold has no threshold yet. Fit it with tools/train.py and '
                               "train_cfg=dict(type='CalibrationLoop'), and test the checkpoint that this saves.")
        return scores > self.threshold

    def record(self) -> dict:
        """The promise in plain values, for evaluators."""
        promise = self.promise
        return dict(head=self.head, kind=promise.kind, alpha=promise.alpha, control=promise.target.control, delta=promise.delta,
                    of=promise.of, pixels=promise.pixels, region=promise.region, text=promise.text,
                    threshold=float(self.threshold), feasible=bool(self.feasible))

    def start_stage(self, stage: int) -> None:
        """Forget earlier images."""
        self.curves.reset()

    def update(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> None:
        """Count one batch; see :class:`~mmseg_uncertainty.models.fittable.Fittable`."""
        scores = scores_at_labels(outputs, self._scorer[0], tuple(labels.shape[-2:])).cpu().numpy()
        predicted = outputs.output.classes.cpu()
        for index, (meta, truth) in enumerate(zip(metas, labels.cpu())):
            kind = meta.get('label_kind', 'classes')
            name = str(meta.get('img_path', f'image {len(self.curves.names())}'))
            space = LabelSpace(2 if kind == 'anomaly' else self.num_classes)
            space.check(truth, name, 'Check num_classes and the label map.')
            wrong = truth == ANOMALY if kind == 'anomaly' else truth != predicted[index]
            kinds = torch.where(wrong, POSITIVE, NEGATIVE).where(truth != VOID, UNKNOWN).numpy()
            unit = meta.get('calibration_unit') if self.unit == 'scene' else name
            if unit is None:
                raise ValueError(f"FlagThreshold: unit='scene', and nothing names the scene of {name}. Use a dataset that knows "
                                 "scenes or sequences, or unit='image'.")
            self.curves.add(tabulate_flags(scores[index], kinds, kind, self.region_sizes, self.bits), name, str(unit))

    def merge_ranks(self) -> None:
        """Collect the images of all processes."""
        self.curves.merge_ranks()

    def finish_stage(self, stage: int) -> None:
        """Keep the counts and choose the threshold."""
        check_distinct(self.curves.names(), 'FlagThreshold')
        self.curves.finish()
        self._choose(report=True)

    def recalibrate(self, promise: str | None = None, alpha: float | None = None, **options) -> None:
        """Choose a threshold for another promise from what was kept, without the images; arguments as in the class.

        Raises:
            RuntimeError: Nothing was fitted.
            ValueError: An option is out of range.
        """
        if self.curves.table() is None:
            raise RuntimeError('FlagThreshold: nothing was fitted, so there is nothing to calculate from.')
        self.promise = _promise(promise or self.promise.kind, self.promise.alpha if alpha is None else alpha, options)
        self._choose(report=True)

    def _choose(self, report: bool) -> None:
        table = self.curves.table()
        if table is None:
            return
        units = self.curves.units.cpu().numpy().astype(np.int64) if self.unit == 'scene' else None
        chosen = choose_threshold(table, self.promise, units)
        self.threshold.fill_(chosen.threshold)
        self.feasible.fill_(chosen.result.feasible)
        if not report:
            return
        result, what = chosen.result, 'scenes' if self.unit == 'scene' else 'images'
        if result.feasible:
            print_log(f'FlagThreshold of {self.head}, {self.promise.text}: flags scores above {chosen.threshold:.6g}, from '
                      f'{result.num_images} {what}, empirical risk {result.empirical_risk:.4g}.', 'current')
        else:
            print_log(f'FlagThreshold of {self.head}, {self.promise.text}: {result.num_images} {what} that count are too few '
                      f'for this promise, which needs at least {result.images_needed}; '
                      f'{"nothing" if chosen.threshold > 0 else "everything"} is flagged.', 'current', logging.WARNING)


def _promise(kind: str, alpha: float, options: dict) -> FlagPromise:
    options = {name: tuple(value) if isinstance(value, (list, tuple)) else value for name, value in options.items()}
    try:
        return FlagPromise(kind, alpha, **options)
    except TypeError as error:
        raise ValueError(f'FlagThreshold: {error}. Options: control, delta, of, pixels, region, grid, correction.') from error


def _choose_for_own_promise(module: FlagThreshold, incompatible) -> None:
    module._choose(report=False)

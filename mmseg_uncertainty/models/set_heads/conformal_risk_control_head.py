"""Prediction sets with a promised image-level risk."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional.conformal_losses import ConformityTable, image_loss
from mmseg_uncertainty.functional.risk_control import FALLBACKS, control_classes, control_risk
from mmseg_uncertainty.structures import MethodInfo, Place

from .curve_set_head import CurveSetHead
from .set_head import smallest_threshold, split_risk

FALLBACK_MEANS = dict(
    contain='every set contains the class, so that it is never missed',
    pixels="nothing is promised for this class, which takes the threshold of all pixels (fallback='pixels')")


@MODELS.register_module()
class ConformalRiskControlHead(CurveSetHead):
    """Choose the smallest sets of a nested family whose risk on a further image is promised.

    One pass keeps what all losses depend on; :meth:`recalibrate` then makes any other promise without the images.

    Args:
        num_classes: Number of classes.
        risks: Promises to keep together, each a dict with ``alpha``, optionally ``loss`` (``'miscoverage'``,
            ``'binary'``, ``'class_miss'``) and the options of that loss (``class_weights``; ``coverage``; ``label``).
        control: ``'crc'``, ``'rcps'`` or ``'ltt'``, see :class:`~mmseg_uncertainty.functional.risk_control.RiskTarget`.
        delta: Probability with which RCPS and LTT may fail.
        family: Options of :class:`~mmseg_uncertainty.functional.prediction_sets.SetFamily`.
        class_conditional: Choose one threshold per class, for its false-negative rate, at the ``alpha`` of the only
            risk.
        fallback: What becomes of classes in too few images for this: ``'contain'`` puts them into every set, which keeps the
            promise, ``'pixels'`` gives them the threshold of all pixels, which promises nothing. Either is logged.
        mantissa_bits: Precision of the kept conformities; 23 is exact, 10 shrinks large sets to the size of a
            histogram.
        keep_curves: Whether the checkpoint keeps what :meth:`recalibrate`, :meth:`risk_curve` and :meth:`size_curve`
            need.
        activation: See :class:`~mmseg_uncertainty.models.set_heads.SetHead`; APS and RAPS need softmax.
        init_cfg: See :class:`mmengine.model.BaseModule`.

    Attributes:
        thresholds: Threshold 1 - lambda of each class, shape (K,), float64; the same for all unless
            ``class_conditional``.
        feasible: Whether the images sufficed for every promise.
        fell_back: Which classes have no threshold of their own, shape (K,).
        curves: What was kept of the calibration images; ``curves.table()`` gives it to
            :func:`~mmseg_uncertainty.functional.conformal_losses.image_loss`.

    Raises:
        ValueError: An option is out of range.
    """

    info = MethodInfo(
        'Conformal semantic image segmentation: post-hoc quantification of predictive uncertainty',
        'Mossina et al.', 2024, needs={'logits', 'labels'}, fitted=True,
        venue='CVPR Workshops', url='https://arxiv.org/abs/2405.05145')

    def __init__(self,
                 num_classes: int,
                 risks: Sequence[dict] = (dict(loss='miscoverage', alpha=0.1), ),
                 control: str = 'crc',
                 delta: float = 0.1,
                 family: dict | None = None,
                 class_conditional: bool = False,
                 fallback: str = 'contain',
                 mantissa_bits: int = 23,
                 keep_curves: bool = True,
                 activation: str | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(num_classes, family, mantissa_bits, activation, init_cfg)
        self.keep_curves = keep_curves
        self.register_buffer('thresholds', torch.full((num_classes, ), torch.nan, dtype=torch.float64))
        self.register_buffer('fell_back', torch.zeros(num_classes, dtype=torch.bool))
        self.register_buffer('feasible', torch.zeros((), dtype=torch.bool))
        self.promise(risks, control, delta, class_conditional, fallback)

    def promise(self,
                risks: Sequence[dict],
                control: str = 'crc',
                delta: float = 0.1,
                class_conditional: bool = False,
                fallback: str = 'contain') -> None:
        """Set what the next calibration promises; arguments as in the class.

        Raises:
            ValueError: An option is out of range.
        """
        if not risks or class_conditional and len(risks) != 1:
            raise ValueError(f'ConformalRiskControlHead: {len(risks)} risks; give at least one, and exactly one with '
                             'class_conditional=True.')
        self.losses, self.targets = zip(*(split_risk(risk, self.num_classes, control, delta) for risk in risks))
        if class_conditional and dict(loss='miscoverage') | self.losses[0] != dict(loss='miscoverage'):
            raise ValueError('ConformalRiskControlHead: class_conditional=True controls the misses of every class, not '
                             f'{self.losses[0]}; give risks=[dict(alpha=...)] alone.')
        if fallback not in FALLBACKS:
            raise ValueError(f'ConformalRiskControlHead: fallback={fallback!r} is unknown; choose from {FALLBACKS}.')
        self.class_conditional, self.fallback = class_conditional, fallback

    def is_fitted(self) -> bool:
        """Whether thresholds were calibrated or loaded."""
        return not bool(self.thresholds.isnan().any())

    def nominal_coverage(self) -> float:
        """Share of the pixels that the first risk wants covered, in (0, 1)."""
        return self.losses[0].get('coverage', 1 - self.targets[0].alpha)

    def finish_stage(self, stage: int) -> None:
        """Choose the thresholds and keep the curves."""
        self.curves.finish()
        self._calibrate(self.curves.table(), None)
        if not self.keep_curves:
            self.curves.clear()

    def recalibrate(self, images: np.ndarray | None = None, **promise) -> None:
        """Choose thresholds again from the kept curves, without the images.

        Args:
            images: How often each calibration image counts, shape (n,); ``None`` counts each once.
            promise: Arguments of :meth:`promise`.

        Raises:
            RuntimeError: No curves were kept.
        """
        table = self.kept_table()
        if promise:
            self.promise(**promise)
        self._calibrate(table, images)

    def sets(self, probabilities: Tensor, predicted: Tensor | None = None, place: Place | None = None) -> Tensor:
        """Prediction sets; arguments as in :meth:`forward`."""
        return self.family.sets(probabilities, self.thresholds, predicted)

    def _calibrate(self, table: ConformityTable, images: np.ndarray | None) -> None:
        self.report_void(table)
        if self.class_conditional:
            thresholds, results, fell_back = control_classes(table, self.targets[0], images, self.fallback)
            names = [f'misses of class {label} at {self.targets[0]}' for label in range(self.num_classes)]
            self.report(results, names, FALLBACK_MEANS[self.fallback])
        else:
            results = [control_risk(image_loss(table, **loss), target, images)
                       for loss, target in zip(self.losses, self.targets)]
            thresholds, fell_back = np.full(self.num_classes, smallest_threshold(results)), np.zeros(self.num_classes, bool)
            self.report(results, [f'{loss} at {target}' for loss, target in zip(self.losses, self.targets)])
        self.thresholds.copy_(torch.from_numpy(np.asarray(thresholds, dtype=np.float64)))
        self.fell_back.copy_(torch.from_numpy(np.asarray(fell_back)))
        self.feasible.fill_(all(result.feasible for result in results))

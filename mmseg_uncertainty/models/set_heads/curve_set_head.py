"""Base class of prediction sets whose thresholds follow from exact losses of the calibration images."""
from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from mmengine.logging import print_log
from torch import Tensor

from mmseg_uncertainty.functional.conformal_losses import ConformityTable, image_loss, tabulate
from mmseg_uncertainty.functional.prediction_sets import SetFamily
from mmseg_uncertainty.functional.set_size_curves import mean_sizes, size_histogram
from mmseg_uncertainty.structures import FrozenOutputs

from .conformity_curves import ConformityCurves
from .set_head import SetHead


class CurveSetHead(SetHead):
    """Keep of every calibration image what the losses of all nested sets depend on.

    Args:
        num_classes: Number of classes.
        family: Options of :class:`~mmseg_uncertainty.functional.prediction_sets.SetFamily`.
        mantissa_bits: Precision of the kept conformities.
        activation: See :class:`~mmseg_uncertainty.models.set_heads.SetHead`; APS and RAPS need softmax.
        init_cfg: See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: An option is out of range.
    """

    keep_curves = True

    def __init__(self, num_classes: int, family: dict | None = None, mantissa_bits: int = 23, activation: str | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(num_classes, activation, init_cfg)
        self.family = SetFamily(**(family or {}))
        if activation == 'sigmoid' and self.family.kind != 'lac':
            raise ValueError(f"{type(self).__name__}: {self.family.kind!r} adds probabilities up, and those of "
                             "activation='sigmoid' do not sum to 1; use family=dict(kind='lac').")
        self.mantissa_bits = mantissa_bits
        self.curves = ConformityCurves(num_classes)

    def start_stage(self, stage: int) -> None:
        """Forget earlier images."""
        self.start_images()
        self.curves.reset()

    def update(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> None:
        """Tabulate one batch; see :class:`~mmseg_uncertainty.models.fittable.Fittable`."""
        self._tabulate(outputs, labels, metas)

    def _tabulate(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> Tensor:
        filled, valid = self.valid_labels(labels)
        probabilities = self.add_images(outputs.logits, metas)
        conformity = self.family.label_conformity(probabilities, filled, outputs.predicted)
        sizes = size_histogram(self.family, probabilities, valid, outputs.predicted) if self.keep_curves else None
        self.curves.add(tabulate(conformity, labels, self.num_classes, self.mantissa_bits), sizes)
        return probabilities

    def merge_ranks(self) -> None:
        """Collect the images of all processes."""
        self.merge_images()
        self.curves.merge_ranks()

    def risk_curve(self, thresholds: Sequence[float] | np.ndarray, **loss) -> np.ndarray:
        """Mean loss of the calibration images at any thresholds 1 - lambda.

        Args:
            thresholds: Shape (Q,), in [0, 1].
            loss: ``loss`` and its options, as in ``risks``.

        Returns:
            Shape (Q,), in [0, 1]; NaN where no image has this loss.

        Raises:
            RuntimeError: No curves were kept.
        """
        losses = image_loss(self.kept_table(), **loss)
        return losses.at(thresholds)[losses.defined].mean(axis=0)

    def size_curve(self, thresholds: Sequence[float] | np.ndarray) -> np.ndarray:
        """Mean number of classes per labelled pixel at any thresholds 1 - lambda, over the calibration images.

        Args:
            thresholds: Shape (Q,), in [0, 1].

        Returns:
            Shape (Q,), in 0..K; see :func:`~mmseg_uncertainty.functional.set_size_curves.mean_sizes`.

        Raises:
            RuntimeError: No curves were kept.
        """
        pixels = self.kept_table().pixels.sum(axis=1)
        return mean_sizes(self.curves.sizes.cpu().numpy(), pixels, thresholds)[pixels > 0].mean(axis=0)

    def kept_table(self) -> ConformityTable:
        """Conformities of the calibration images.

        Raises:
            RuntimeError: No curves were kept.
        """
        table = self.curves.table()
        if not table.num_images:
            raise RuntimeError(f'{type(self).__name__}: no curves to calculate from; fit with keep_curves=True.')
        return table

    def report_void(self, table: ConformityTable) -> None:
        """Warn where images hold void only."""
        void = int((table.pixels.sum(axis=1) == 0).sum())
        if void:
            print_log(f'{type(self).__name__}: {void} of {table.num_images} images hold void only and are left out.', 'current',
                      logging.WARNING)

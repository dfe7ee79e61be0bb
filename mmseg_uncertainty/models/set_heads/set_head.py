"""Base class of everything that maps class probabilities to a prediction set."""
from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor

from mmseg_uncertainty.functional.risk_control import ControlledThreshold
from mmseg_uncertainty.models.fittable import Fittable

VOID = 255


class SetHead(BaseModule, Fittable):
    """Map class probabilities to the set of classes that stay possible, with thresholds from calibration images.

    Args:
        num_classes: Number of classes.
        init_cfg: See :class:`mmengine.model.BaseModule`.
    """

    def __init__(self, num_classes: int, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes

    @abstractmethod
    def sets(self, probabilities: Tensor) -> Tensor:
        """Prediction sets; shapes as in :meth:`forward`."""

    @abstractmethod
    def is_fitted(self) -> bool:
        """Whether thresholds were calibrated or loaded."""

    def forward(self, probabilities: Tensor) -> Tensor:
        """Prediction sets at every pixel.

        Args:
            probabilities: Class probabilities, shape (N, K, H, W), in [0, 1].

        Returns:
            Whether a class is in the set, shape (N, K, H, W), bool.

        Raises:
            RuntimeError: The head was never fitted.
            ValueError: The number of classes is not the one the head was made for.
        """
        if not self.is_fitted():
            raise RuntimeError(f'{type(self).__name__} has no thresholds yet. Fit it with tools/train.py and '
                               "train_cfg=dict(type='CalibrationLoop'), and test the checkpoint that this saves.")
        if probabilities.shape[1] != self.num_classes:
            raise ValueError(f'{type(self).__name__}: the model has {probabilities.shape[1]} classes and the head '
                             f'num_classes={self.num_classes}; set num_classes of the set head to that of the model.')
        return self.sets(probabilities)

    def valid_labels(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Labels with void replaced by class 0, and which pixels are not void.

        Args:
            labels: Shape (N, H, W), 0..K-1 or void.

        Raises:
            ValueError: A label is neither a class nor void.
        """
        valid = labels != VOID
        if bool(((labels < 0) | (labels >= self.num_classes))[valid].any()):
            raise ValueError(f'{type(self).__name__}: label {int(labels[valid].max())} found, expected 0 to '
                             f'{self.num_classes - 1} or {VOID} for void; check num_classes and the label map.')
        return labels.masked_fill(~valid, 0), valid

    def report(self, results: Sequence[ControlledThreshold], names: Sequence[str]) -> None:
        """Log what each promise came to, and warn where images did not suffice."""
        for name, result in zip(names, results, strict=True):
            print_log(f'{type(self).__name__}: {name}: lambda {result.level:.6g} from {result.num_images} images, empirical '
                      f'risk {result.empirical_risk:.4g} (allowed {result.largest_risk:.4g})', 'current')
            if not result.feasible:
                print_log(f'{type(self).__name__}: {name}: {result.num_images} images are too few for this promise; the set '
                          'of all classes, or the named fallback, takes its place.', 'current', logging.WARNING)


def smallest_threshold(results: Sequence[ControlledThreshold]) -> float:
    """Threshold that meets every promise at once."""
    return float(np.min([result.threshold for result in results]))

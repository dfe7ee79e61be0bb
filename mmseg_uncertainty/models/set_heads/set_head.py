"""Base class of everything that maps class probabilities to a prediction set."""
from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmseg_uncertainty.functional.conformal_losses import check_loss
from mmseg_uncertainty.functional.risk_control import ControlledThreshold, RiskTarget
from mmseg_uncertainty.models.fittable import Fittable
from mmseg_uncertainty.structures import Place

VOID = 255
ACTIVATIONS = ('softmax', 'sigmoid')


class SetHead(BaseModule, Fittable):
    """Map class probabilities to the set of classes that stay possible, with thresholds from calibration images.

    Args:
        num_classes: Number of classes, in 2..254; models of one sigmoid channel have 2, the background first.
        activation: What turns logits into probabilities: ``'softmax'``, also for models of one sigmoid channel, or
            ``'sigmoid'`` where every class has a channel of its own; ``None`` asks the base model.
        init_cfg: See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: An option is out of range.
    """

    def __init__(self, num_classes: int, activation: str | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if not 2 <= num_classes < VOID or activation not in (None, *ACTIVATIONS):
            raise ValueError(f'{type(self).__name__}: num_classes={num_classes} must lie in 2..{VOID - 1} and '
                             f'activation={activation!r} be one of {ACTIVATIONS}.')
        self.num_classes = num_classes
        self.activation = activation

    def bind(self, model: nn.Module) -> None:
        """Ask the base model what its output means; the segmentor calls this once.

        Raises:
            ValueError: The base model has one sigmoid channel, and ``activation`` is another.
        """
        distribution = model.base.distribution
        if distribution.name == 'sigmoid' and self.activation == 'sigmoid':
            raise ValueError('PosthocSegmentor: one sigmoid channel is read as two classes of logits 0 and z, whose '
                             "softmax is the sigmoid of z; give the set head activation='softmax' and num_classes=2.")
        if self.activation is None:
            self.activation = 'softmax' if distribution.sums_to_one else 'sigmoid'

    def probabilities(self, logits: Tensor) -> Tensor:
        """Class probabilities, which sum to 1 for ``'softmax'`` only.

        Args:
            logits: Shape (N, K, \\*).

        Returns:
            Shape (N, K, \\*), in [0, 1].
        """
        return logits.sigmoid() if self.activation == 'sigmoid' else logits.softmax(dim=1)

    @abstractmethod
    def sets(self, probabilities: Tensor, predicted: Tensor | None = None, place: Place | None = None) -> Tensor:
        """Prediction sets; arguments as in :meth:`forward`."""

    @abstractmethod
    def is_fitted(self) -> bool:
        """Whether thresholds were calibrated or loaded."""

    @abstractmethod
    def nominal_coverage(self) -> float:
        """Share of the pixels that pictures measure the coverage against, in (0, 1]."""

    def forward(self, probabilities: Tensor, predicted: Tensor | None = None, place: Place | None = None) -> Tensor:
        """Prediction sets at every pixel.

        Args:
            probabilities: Class probabilities, shape (N, K, H, W), in [0, 1].
            predicted: Predicted classes, shape (N, H, W); ``None`` is the arg-max.
            place: Which rectangle of the image this is; ``None`` for all of it.

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
        return self.sets(probabilities, predicted, place)

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


def split_risk(risk: Mapping, num_classes: int, control: str = 'crc', delta: float = 0.1) -> tuple[dict, RiskTarget]:
    """Loss and target of one configured risk, checked before any image is seen.

    Args:
        risk: ``alpha`` and the options of :func:`~mmseg_uncertainty.functional.conformal_losses.image_loss`.
        num_classes: Number of classes.
        control: See :class:`~mmseg_uncertainty.functional.risk_control.RiskTarget`.
        delta: Likewise.

    Returns:
        Options of the loss, and the target.

    Raises:
        ValueError: ``alpha`` is missing, or an option is unknown or out of range.
    """
    if 'alpha' not in risk:
        raise ValueError(f'risk {dict(risk)} has no alpha; say how much may be lost, for instance alpha=0.05.')
    loss = {key: value for key, value in risk.items() if key != 'alpha'}
    check_loss(num_classes, **loss)
    return loss, RiskTarget(risk['alpha'], control, delta)

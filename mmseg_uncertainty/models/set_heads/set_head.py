"""Base class of everything that maps class probabilities to a prediction set."""
from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from mmengine.dist import all_gather_object
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmseg_uncertainty.functional.conformal_losses import check_loss
from mmseg_uncertainty.functional.conformal_splits import check_distinct
from mmseg_uncertainty.functional.label_space import LabelSpace
from mmseg_uncertainty.functional.risk_control import ControlledThreshold, RiskTarget
from mmseg_uncertainty.label_values import MOST_CLASSES
from mmseg_uncertainty.models.fittable import Fittable
from mmseg_uncertainty.structures import Place

ACTIVATIONS = ('softmax', 'sigmoid')
ALL = 'the set of all classes takes its place'


class SetHead(BaseModule, Fittable):
    """Map class probabilities to the set of classes that stay possible, with thresholds from calibration images.

    Subclasses call :meth:`start_images` at the start of a stage and :meth:`add_images` with every batch.

    Args:
        num_classes: Number of classes, in 2..254; models of one sigmoid channel have 2, the background first.
        activation: What turns logits into probabilities: ``'softmax'``, also for models of one sigmoid channel, or
            ``'sigmoid'`` where every class has a channel of its own; ``None`` asks the base model.
        init_cfg: See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: An option is out of range.
    """

    promises = True
    # Whether the set of a pixel depends on more of the image than that pixel, and whether on an embedding of the whole image.
    whole_image = False
    embeds = False

    def __init__(self, num_classes: int, activation: str | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if not 2 <= num_classes <= MOST_CLASSES or activation not in (None, *ACTIVATIONS):
            raise ValueError(f'{type(self).__name__}: num_classes={num_classes} must lie in 2..{MOST_CLASSES} and '
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
            ValueError: The number of classes is not the one the head was made for, or a probability is NaN.
        """
        self.check(probabilities)
        return self.sets(probabilities, predicted, place)

    def check(self, probabilities: Tensor) -> None:
        """Raise where the head was not fitted, or where probabilities are broken or not those of its classes."""
        if not self.is_fitted():
            raise RuntimeError(f'{type(self).__name__} has no thresholds yet. Fit it with tools/train.py and '
                               "train_cfg=dict(type='CalibrationLoop'), and test the checkpoint that this saves.")
        if probabilities.shape[1] != self.num_classes:
            raise ValueError(f'{type(self).__name__}: the model has {probabilities.shape[1]} classes and the head '
                             f'num_classes={self.num_classes}; set num_classes of the set head to that of the model.')
        self._check_numbers(probabilities)

    def _check_numbers(self, probabilities: Tensor, names: Sequence[str] | None = None) -> None:
        broken = probabilities.flatten(1).sum(dim=1).isnan()
        if broken.any():
            index = int(broken.nonzero()[0])
            name = f'image {index} of this batch' if names is None else names[index]
            raise ValueError(f'{type(self).__name__}: probabilities of {name} are NaN, so they say nothing about any class. '
                             'Check the base model, its checkpoint and mixed precision on this image.')

    def start_images(self) -> None:
        """Forget which images were seen."""
        self._images: set[str] = set()

    def add_images(self, logits: Tensor, metas: Sequence[dict]) -> Tensor:
        """Probabilities of calibration images, each of which may come once.

        Args:
            logits: Shape (N, K, \\*).
            metas: ``metainfo`` of each image; those without ``img_path`` are not told apart.

        Returns:
            Shape (N, K, \\*), in [0, 1].

        Raises:
            ValueError: A probability is NaN, or an image came before.
        """
        probabilities = self.probabilities(logits)
        names = [str(meta.get('img_path', f'image {index} of this batch')) for index, meta in enumerate(metas)]
        self._check_numbers(probabilities, names)
        given = [str(meta['img_path']) for meta in metas if 'img_path' in meta]
        check_distinct(given + [name for name in set(given) if name in self._images], type(self).__name__)
        self._images.update(given)
        return probabilities

    def merge_images(self) -> None:
        """Check that no two processes saw the same image."""
        check_distinct([name for names in all_gather_object(self._images) for name in names], type(self).__name__)

    def valid_labels(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Labels with void replaced by class 0, and which pixels are not void.

        Args:
            labels: Shape (N, H, W), 0..K-1 or void.

        Raises:
            ValueError: A label is neither a class nor void.
        """
        space = LabelSpace(self.num_classes)
        space.check(labels, type(self).__name__, 'Check num_classes and the label map.')
        valid = space.known(labels)
        return labels.masked_fill(~valid, 0), valid

    def report(self, results: Sequence[ControlledThreshold], names: Sequence[str], instead: str = ALL) -> None:
        """Log what each promise came to, and warn where images did not suffice.

        Args:
            results: One per promise.
            names: Likewise.
            instead: What takes the place of a threshold that could not be chosen.
        """
        for name, result in zip(names, results, strict=True):
            owner = f'{type(self).__name__}: {name}'
            if not result.feasible:
                print_log(f'{owner}: {result.num_images} images are too few for this promise, which needs at least '
                          f'{result.images_needed}, and several times as many for sets of use; {instead}.', 'current',
                          logging.WARNING)
                continue
            print_log(f'{owner}: lambda {result.level:.6g} from {result.num_images} images, empirical risk '
                      f'{result.empirical_risk:.4g} (allowed {result.largest_risk:.4g})', 'current')
            if result.threshold == 0:
                print_log(f'{owner}: only the set of all classes keeps this promise on the {result.num_images} images; use '
                          'a larger alpha, a milder loss or more images.', 'current', logging.WARNING)


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

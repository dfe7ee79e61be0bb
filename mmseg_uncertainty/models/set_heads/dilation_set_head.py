"""Prediction sets from masks alone: every class reaches as far as its mask has to be dilated."""
from __future__ import annotations

import logging

import numpy as np
import torch
from mmengine.logging import print_log
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional.dilation_margins import (STRUCTURES, control_margins, dilated_sets, radius_of_steps,
                                                           tabulate_margins)
from mmseg_uncertainty.functional.risk_control import RiskTarget
from mmseg_uncertainty.structures import FrozenOutputs, MethodInfo, Place

from .conformity_curves import ConformityCurves
from .set_head import SetHead

EVERYWHERE = 'every set contains the class'


@MODELS.register_module()
class DilationSetHead(SetHead):
    r"""Dilate the predicted mask of each class until it covers the truth, and put into the set of a pixel what reaches it.

    Only predicted classes are read, no score: models that give labels alone have sets too. With ``coverage`` the promise for each
    class is that in a further image which shows it at least this share of it is covered, with probability :math:`1 - \alpha`;
    without it the expected uncovered share is at most :math:`\alpha`.

    Args:
        num_classes: Number of classes.
        alpha: Level, in (0, 1).
        coverage: :math:`\tau`, in (0, 1], or ``None``.
        structure: What masks are dilated with: ``'disk'``, ``'square'`` or ``'diamond'``.
        control: See :class:`~mmseg_uncertainty.functional.risk_control.RiskTarget`.
        delta: Likewise.
        activation: Read by nothing; see :class:`~mmseg_uncertainty.models.set_heads.SetHead`.
        init_cfg: See :class:`mmengine.model.BaseModule`.

    Attributes:
        radii: Radius of each class in pixels of the result, shape (K,), infinite where the images do not suffice.
        feasible: Whether each class was in enough images, shape (K,).

    Raises:
        ValueError: An option is out of range.
    """

    info = MethodInfo('Conformal prediction for image segmentation using morphological prediction sets', 'Mossina and Friedrich',
                      2025, needs={'labels'}, fitted=True, venue='MICCAI', url='https://arxiv.org/abs/2503.05618')
    whole_image = True

    def __init__(self,
                 num_classes: int,
                 alpha: float = 0.1,
                 coverage: float | None = 0.9,
                 structure: str = 'disk',
                 control: str = 'crc',
                 delta: float = 0.1,
                 activation: str | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(num_classes, activation, init_cfg)
        if structure not in STRUCTURES:
            raise ValueError(f'DilationSetHead: structure={structure!r} is unknown; choose from {STRUCTURES}.')
        self.structure = structure
        self.curves = ConformityCurves(num_classes, np.float64)
        self.register_buffer('steps', torch.full((num_classes, ), torch.nan, dtype=torch.float64))
        self.register_buffer('feasible', torch.zeros(num_classes, dtype=torch.bool))
        self.promise(alpha, coverage, control, delta)

    def promise(self, alpha: float, coverage: float | None = 0.9, control: str = 'crc', delta: float = 0.1) -> None:
        """Set what the next calibration promises; arguments as in the class.

        Raises:
            ValueError: An option is out of range.
        """
        if coverage is not None and not 0 < coverage <= 1:
            raise ValueError(f'DilationSetHead: coverage={coverage} must lie in (0, 1], or be None for the uncovered share itself.')
        self.target, self.coverage = RiskTarget(alpha, control, delta), coverage

    @property
    def radii(self) -> Tensor:
        """Radius of each class; see the class."""
        return torch.from_numpy(radius_of_steps(self.steps.cpu().numpy(), self.structure))

    def is_fitted(self) -> bool:
        """Whether margins were calibrated or loaded."""
        return not bool(self.steps.isnan().any())

    def nominal_coverage(self) -> float:
        """Share of the pixels that is to be covered, in (0, 1]."""
        return 1 - self.target.alpha if self.coverage is None else self.coverage

    def start_stage(self, stage: int) -> None:
        """Forget earlier images."""
        self.start_images()
        self.curves.reset()

    def update(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> None:
        """Measure one batch; see :class:`~mmseg_uncertainty.models.fittable.Fittable`."""
        self.valid_labels(labels)
        self.add_images(outputs.logits, metas)
        predicted = outputs.output.classes
        self.curves.add(tabulate_margins(predicted.cpu().numpy(), labels.cpu().numpy(), self.num_classes, self.structure))

    def merge_ranks(self) -> None:
        """Collect the images of all processes."""
        self.merge_images()
        self.curves.merge_ranks()

    def finish_stage(self, stage: int) -> None:
        """Choose the margins."""
        self.curves.finish()
        self._calibrate(None)

    def recalibrate(self, images: np.ndarray | None = None, **promise) -> None:
        """Choose margins again from what was kept, without the images.

        Args:
            images: How often each calibration image counts, shape (n,); ``None`` counts each once.
            promise: Arguments of :meth:`promise`.
        """
        if promise:
            self.promise(**promise)
        self._calibrate(images)

    def sets(self, probabilities: Tensor, predicted: Tensor | None = None, place: Place | None = None) -> Tensor:
        """Prediction sets; arguments as in :meth:`forward`.

        Raises:
            ValueError: This is a part of an image, whose masks go on beyond it.
        """
        if place is not None and place.window.size != tuple(place.size):
            raise ValueError('DilationSetHead: masks reach over the border of a tile. Shrink the image, or give a larger max_pixels '
                             '(--max-pixels).')
        predicted = probabilities.argmax(dim=1) if predicted is None else predicted
        sets = dilated_sets(predicted.cpu().numpy(), self.steps.cpu().numpy(), self.structure)
        return torch.from_numpy(sets).to(probabilities.device)

    def _calibrate(self, images: np.ndarray | None) -> None:
        steps, results = control_margins(self.curves.table(), self.target, self.coverage, images)
        self.steps.copy_(torch.from_numpy(steps))
        self.feasible.copy_(torch.tensor([result.feasible for result in results]))
        for label, (result, radius) in enumerate(zip(results, self.radii.tolist())):
            name = f'DilationSetHead: class {label} at {self.target}'
            if not result.feasible:
                print_log(f'{name}: {result.num_images} images that show it are too few for this promise, which needs at least '
                          f'{result.images_needed}, and several times as many for sets of use; {EVERYWHERE}.', 'current',
                          logging.WARNING)
            elif np.isinf(radius):
                print_log(f'{name}: in too many of {result.num_images} images no mask is near it, so {EVERYWHERE}.', 'current',
                          logging.WARNING)
            else:
                print_log(f'{name}: dilated by {radius:.4g} pixels, from {result.num_images} images', 'current')

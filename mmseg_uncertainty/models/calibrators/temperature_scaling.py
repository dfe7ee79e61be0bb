"""One temperature for all pixels."""
from __future__ import annotations

import numpy as np
import torch
from mmengine.dist import all_reduce
from mmengine.logging import print_log
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional.calibration_error import ReliabilitySums
from mmseg_uncertainty.functional.temperature import PUBLISHED_GRID, best_calibrated, reliability_by_temperature
from mmseg_uncertainty.structures import FrozenOutputs, MethodInfo

from .calibrator import Calibrator, image_key, pixel_sample
from .likelihood_fit import LikelihoodFit, check_labelled, temperature_of_all, temperatures_of_groups

OBJECTIVES = ('nll', 'ece')
BINS = 15


@MODELS.register_module()
class TemperatureScaling(Calibrator):
    """Divide the logits by one temperature, or by one per predicted class.

    Args:
        num_classes: Number of classes K.
        objective: ``'nll'`` takes the temperature of the largest likelihood, from all pixels in two passes, or more where
            the second does not enclose it. ``'ece'`` takes that of the smallest expected calibration error among 0.5, 0.51,
            ..., 9.99, from a sample of pixels in one pass, as in the released RELIS code.
        classwise: Whether each predicted class has its own temperature; classes without a pixel, or whose pixels are all
            right, take that of all.
        pixels_per_image: Size of the sample of ``objective='ece'``.
        options: See :class:`Calibrator`.

    Raises:
        ValueError: The objective is unknown, or ``'ece'`` with ``classwise``.
    """

    info = MethodInfo(
        'On calibration of modern neural networks', 'Guo et al.', 2017, needs={'logits', 'labels'}, fitted=True,
        venue='ICML', url='https://arxiv.org/abs/1706.04599')

    def __init__(self,
                 num_classes: int,
                 objective: str = 'nll',
                 classwise: bool = False,
                 pixels_per_image: int = 20000,
                 **options) -> None:
        super().__init__(num_classes, **options)
        if objective not in OBJECTIVES or (objective == 'ece' and classwise):
            raise ValueError(f'TemperatureScaling: objective={objective!r} with classwise={classwise}; the objective is one of '
                             f"{OBJECTIVES}, and classwise needs 'nll'.")
        self.objective, self.classwise, self.pixels_per_image = objective, classwise, pixels_per_image
        self.stages = 2 if objective == 'nll' else 1
        self.register_buffer('temperature', torch.full((num_classes if classwise else 1, ), torch.nan, dtype=torch.float64))

    def calibrate(self, outputs: FrozenOutputs, metas: list[dict]) -> Tensor:
        """Divide by the temperature; see :meth:`Calibrator.calibrate`."""
        temperature = self.temperature.to(outputs.logits.dtype)
        if self.classwise:
            temperature = temperature[outputs.logits.argmax(dim=1, keepdim=True)]
        return outputs.logits / temperature

    @property
    def calibrates_sigmoids(self) -> bool:
        """See :attr:`Calibrator.calibrates_sigmoids`."""
        return self.objective == 'nll' and not self.classwise

    def start_stage(self, stage: int) -> None:
        """Forget the sums of earlier passes."""
        super().start_stage(stage)
        self._stage = stage
        if self.objective == 'ece':
            self._grid = torch.zeros(3, 1 + len(PUBLISHED_GRID), BINS, dtype=torch.int64)
            return
        if stage == 0:
            self._fits = [LikelihoodFit()] + [LikelihoodFit(self.num_classes)] * self.classwise
        for fit in self._fits:
            fit.start_pass()

    def update(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> None:
        """Add one batch; see :class:`~mmseg_uncertainty.models.fittable.Fittable`."""
        for index, (label, meta) in enumerate(zip(labels, metas)):
            if self.objective == 'ece':
                self._add_sample(*self.labelled_pixels(outputs.logits[index], label), meta)
            else:
                self._add_slopes(image_key(meta), *self.likelihood_pixels(outputs, index, label))

    def _add_sample(self, pixels: Tensor, labels: Tensor, meta: dict) -> None:
        chosen = pixel_sample(labels.numel(), self.pixels_per_image, meta)
        sums = reliability_by_temperature(pixels[:, chosen], labels[chosen], np.r_[1., PUBLISHED_GRID], BINS)
        self._grid += torch.from_numpy(np.stack([sums.count, sums.correct, sums.confidence]))

    def _add_slopes(self, key: str, pixels: Tensor, labels: Tensor) -> None:
        for fit, groups in zip(self._fits, [None] + [pixels.argmax(dim=0)] * self.classwise):
            (fit.add_coarse if self._stage == 0 else fit.add_fine)(key, pixels, labels, groups)

    def merge_ranks(self) -> None:
        """Sum over all processes."""
        if self.objective == 'ece':
            all_reduce(self._grid)
            return
        for fit in self._fits:
            fit.merge_ranks()

    def finish_stage(self, stage: int) -> None:
        """Write the temperature.

        Raises:
            ValueError: No pixel of the calibration images is labelled.
        """
        if self.objective == 'ece':
            sums = ReliabilitySums(*self._grid.numpy())
            first, rest = (ReliabilitySums(*self._grid[:, part].numpy()) for part in (0, slice(1, None)))
            check_labelled(bool(sums.count.any()), type(self).__name__)
            self._write(np.array([best_calibrated(PUBLISHED_GRID, rest, first)]))
        elif stage == 0:
            check_labelled(not np.isnan(self._fits[0].coarse_curve().inverse_temperature()), type(self).__name__)
            for fit in self._fits:
                fit.finish_coarse()
        else:
            for fit in self._fits:
                fit.finish_fine()
            self._write(1 / self._inverses())

    def _inverses(self) -> np.ndarray:
        everything, *own = (fit.inverses() for fit in self._fits)
        common = temperature_of_all(everything[0], type(self).__name__)
        return temperatures_of_groups(own[0], common, type(self).__name__) if own else np.array([common])

    def needs_another_pass(self, stage: int) -> bool:
        """Whether the second pass did not enclose a temperature; see ``Fittable``."""
        return stage == 1 and any(fit.needs_another_pass() for fit in self._fits)

    def _write(self, temperature: np.ndarray) -> None:
        self.temperature.copy_(torch.from_numpy(temperature))
        self.fitted.fill_(True)
        print_log(f'{type(self).__name__}: temperature {", ".join(f"{value:.4f}" for value in temperature)}', 'current')

"""One temperature for predictions that look right, and one for those that look wrong."""
from __future__ import annotations

import numpy as np
import torch
from mmengine.logging import print_log
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_uncertainty.functional import msp
from mmseg_uncertainty.models.utils.native_maps import scores_at_labels
from mmseg_uncertainty.runtime.near_names import did_you_mean
from mmseg_uncertainty.structures import FrozenOutputs, MethodInfo

from .calibrator import Calibrator, image_key
from .likelihood_fit import LikelihoodFit, check_labelled, temperature_of_all, temperatures_of_groups


@MODELS.register_module()
class SelectiveScaling(Calibrator):
    """Divide the logits by one of two temperatures, depending on whether a score calls the prediction a mistake.

    Both temperatures are those of the largest likelihood, from all pixels. Predictions stay.

    Args:
        num_classes: Number of classes K.
        head: Name of a head of the model whose score decides, such as a flow's; ``None`` is MSP. It must need no fit by
            statistics, and reads uncalibrated logits.
        threshold: Score above which a prediction counts as a mistake; ``None`` takes that of the head's scale, or 0.5.
        options: See :class:`Calibrator`.
    """

    info = MethodInfo(
        'On Calibrating Semantic Segmentation Models: Analyses and An Algorithm', 'Wang, Gong and Wang', 2023,
        needs={'logits', 'labels'}, fitted=True, venue='CVPR', url='https://arxiv.org/abs/2212.12053')
    stages = 2

    def __init__(self, num_classes: int, head: str | None = None, threshold: float | None = None, **options) -> None:
        super().__init__(num_classes, **options)
        self.head, self.threshold = head, threshold
        self.register_buffer('temperatures', torch.full((2, ), torch.nan, dtype=torch.float64))
        self._scorer: tuple[nn.Module, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """Name of the head, if it is not MSP."""
        return () if self.head is None else (self.head, )

    def bind(self, segmentor: nn.Module) -> None:
        """Find the head; see :meth:`Calibrator.bind`.

        Raises:
            ValueError: There is no head of this name, or it is fitted after the calibrator, or it suggests no threshold.
        """
        if self.head is None:
            self.threshold = 0.5 if self.threshold is None else self.threshold
            return
        heads = segmentor.uncertainty_heads
        if self.head not in heads:
            raise ValueError(f'SelectiveScaling: head={self.head!r} is none of the heads {sorted(heads)}.'
                             f'{did_you_mean(self.head, heads)}')
        scorer = heads[self.head]
        if getattr(scorer, 'stages', 0):
            raise ValueError(f'SelectiveScaling: head={self.head!r} is fitted by statistics, after calibrators. Name a head that '
                             'needs no fit or learns by gradient.')
        if self.threshold is None:
            self.threshold = scorer.scale(self.num_classes).threshold
        if self.threshold is None:
            raise ValueError(f'SelectiveScaling: the score of head={self.head!r} suggests no threshold; say threshold.')
        self._scorer = (scorer, )

    def flags(self, outputs: FrozenOutputs) -> Tensor:
        """Whether each prediction counts as a mistake, shape (N, H, W), bool."""
        threshold = 0.5 if self.threshold is None else self.threshold
        if not self._scorer:
            return msp(outputs.output.summary()) > threshold
        if self.head in outputs.head_maps:
            return outputs.head_maps[self.head] > threshold
        return scores_at_labels(outputs, self._scorer[0], tuple(outputs.logits.shape[-2:])) > threshold

    def calibrate(self, outputs: FrozenOutputs, metas: list[dict]) -> Tensor:
        """Divide by the temperature of each pixel; see :meth:`Calibrator.calibrate`."""
        sure, unsure = self.temperatures.to(outputs.logits)
        return outputs.logits / torch.where(self.flags(outputs), unsure, sure).unsqueeze(1)

    def start_stage(self, stage: int) -> None:
        """Forget the sums of earlier passes."""
        super().start_stage(stage)
        self._stage = stage
        if stage == 0:
            self._fits = [LikelihoodFit(), LikelihoodFit(2)]
        for fit in self._fits:
            fit.start_pass()

    def update(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> None:
        """Add one batch; see :class:`~mmseg_uncertainty.models.fittable.Fittable`."""
        flags = self.flags(outputs).long()
        for index, (label, meta) in enumerate(zip(labels, metas)):
            pixels, truth = self.all_pixels(outputs.logits[index], label)
            for fit, groups in zip(self._fits, (None, flags[index].flatten())):
                (fit.add_coarse if self._stage == 0 else fit.add_fine)(image_key(meta), pixels, truth, groups)

    def merge_ranks(self) -> None:
        """Sum over all processes."""
        for fit in self._fits:
            fit.merge_ranks()

    def finish_stage(self, stage: int) -> None:
        """Write the temperatures.

        Raises:
            ValueError: No pixel of the calibration images is labelled.
        """
        if stage == 0:
            check_labelled(not np.isnan(self._fits[0].coarse_curve().inverse_temperature()), type(self).__name__)
        for fit in self._fits:
            fit.finish_coarse() if stage == 0 else fit.finish_fine()
        if stage == 0:
            return
        everything, own = (fit.inverses() for fit in self._fits)
        common = temperature_of_all(everything[0], type(self).__name__)
        self.temperatures.copy_(torch.from_numpy(1 / temperatures_of_groups(own, common, type(self).__name__)))
        self.fitted.fill_(True)
        sure, unsure = self.temperatures.tolist()
        print_log(f'SelectiveScaling: temperature {sure:.4f}, and {unsure:.4f} of what looks like a mistake', 'current')

    def needs_another_pass(self, stage: int) -> bool:
        """Whether the second pass did not enclose a temperature; see ``Fittable``."""
        return stage == 1 and any(fit.needs_another_pass() for fit in self._fits)

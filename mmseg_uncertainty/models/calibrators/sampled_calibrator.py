"""Calibrators that are fitted to a sample of pixels."""
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from mmengine.dist import all_gather_object
from mmengine.logging import print_log
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.structures import FrozenOutputs

from .calibrator import Calibrator, image_key, pixel_sample


class SampledCalibrator(Calibrator):
    """Fit to labelled pixels of each image, drawn by its name; subclasses implement :meth:`fit_sample`.

    Args:
        num_classes: Number of classes K.
        pixels_per_image: Labelled pixels of each image in the sample.
        options: See :class:`Calibrator`.
    """

    def __init__(self, num_classes: int, pixels_per_image: int = 4096, **options) -> None:
        super().__init__(num_classes, **options)
        self.pixels_per_image = pixels_per_image

    def start_stage(self, stage: int) -> None:
        """Forget the sample."""
        super().start_stage(stage)
        self._sample: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def update(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> None:
        """Add pixels of one batch; see :class:`~mmseg_uncertainty.models.fittable.Fittable`."""
        for logits, label, meta in zip(outputs.logits, labels, metas):
            pixels, label = self.labelled_pixels(logits, label)
            chosen = pixel_sample(label.numel(), self.pixels_per_image, meta)
            self._sample[image_key(meta)] = (pixels[:, chosen].cpu().numpy(), label[chosen].cpu().numpy())

    def merge_ranks(self) -> None:
        """Collect the samples of all processes."""
        self._sample = {key: part for parts in all_gather_object(self._sample) for key, part in parts.items()}

    def finish_stage(self, stage: int) -> None:
        """Fit to the sample.

        Raises:
            ValueError: No pixel of the calibration images is labelled.
        """
        parts = [self._sample[key] for key in sorted(self._sample)]
        logits = torch.from_numpy(np.concatenate([pixels for pixels, _ in parts], axis=1)).double().T
        labels = torch.from_numpy(np.concatenate([label for _, label in parts])).long()
        if not labels.numel():
            raise ValueError(f'{type(self).__name__}: no pixel of the calibration images is labelled; check their label files '
                             'and the label map.')
        print_log(f'{type(self).__name__}: {self.fit_sample(logits, labels)}', 'current')
        self.fitted.fill_(True)

    @abstractmethod
    def fit_sample(self, logits: Tensor, labels: Tensor) -> str:
        """Write what :meth:`calibrate` reads.

        Args:
            logits: Shape (n, K), float64.
            labels: Shape (n,).

        Returns:
            What was found, for the log.
        """


def centred(logits: Tensor) -> Tensor:
    """Logits (N, K, ...) without their mean over the classes, which no softmax sees."""
    return logits - logits.mean(dim=1, keepdim=True)


def minimize(parameters: Sequence[Tensor], loss: Callable[[], Tensor]) -> None:
    """Minimize a smooth loss by L-BFGS, in place; it never ends above where it began.

    Args:
        parameters: Float64 leaves.
        loss: Their loss.
    """
    for parameter in parameters:
        parameter.requires_grad_()
    start = [parameter.detach().clone() for parameter in parameters]
    optimizer = torch.optim.LBFGS(parameters, max_iter=200, line_search_fn='strong_wolfe', tolerance_grad=1e-9,
                                  tolerance_change=1e-12)

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    with torch.enable_grad():
        before = float(loss())
        optimizer.step(closure)
        after = float(loss())
    for parameter, first in zip(parameters, start):
        parameter.requires_grad_(False)
        if not after <= before:
            parameter.copy_(first)


def likelihood_loss(logits: Tensor, labels: Tensor) -> float:
    """Mean negative log-likelihood of logits (n, K) in nats."""
    return float(F.cross_entropy(logits, labels))

"""Gaps between ordered logits, each with a weight of its own."""
from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.functional.calibration_maps import scale_gaps
from mmseg_uncertainty.structures import FrozenOutputs, MethodInfo

from .sampled_calibrator import SampledCalibrator, minimize


@MODELS.register_module()
class OrderPreservingScaling(SampledCalibrator):
    """Weigh the gaps between ordered logits, see :func:`~mmseg_uncertainty.functional.calibration_maps.scale_gaps`.

    Weights are positive, so that the order of the classes stays by construction, with weights for each predicted class too.
    Only differences of logits are read. Fitted by the likelihood of a sample of pixels, which is convex in the weights. It has
    no maximum where a predicted class is always right in the sample, as in few scenes; a penalty keeps logarithms of weights
    near 0, and those of a class near those of all.

    Args:
        num_classes: Number of classes K.
        classwise: Whether each predicted class has its own weights; one with fewer sampled pixels than ``fewest_pixels`` takes
            those of all.
        fewest_pixels: See ``classwise``.
        penalty: Weight of the mean square of the logarithms, in nats per pixel.
        options: See :class:`SampledCalibrator`.

    Raises:
        ValueError: The penalty is negative.
    """

    info = MethodInfo(
        'Intra Order-preserving Functions for Calibration of Multi-Class Neural Networks', 'Rahimi et al.', 2020,
        needs={'logits', 'labels'}, fitted=True, venue='NeurIPS', url='https://arxiv.org/abs/2003.06820')

    def __init__(self, num_classes: int, classwise: bool = False, fewest_pixels: int = 1000, penalty: float = 1e-2,
                 **options) -> None:
        super().__init__(num_classes, **options)
        if penalty < 0:
            raise ValueError(f'OrderPreservingScaling: penalty={penalty} must not be negative.')
        self.penalty = penalty
        self.classwise, self.fewest_pixels = classwise, fewest_pixels
        self.register_buffer('weights', torch.ones(num_classes if classwise else 1, num_classes - 1, dtype=torch.float64))

    def calibrate(self, outputs: FrozenOutputs, metas: list[dict]) -> Tensor:
        """Weigh the gaps; see :meth:`Calibrator.calibrate`."""
        weights = self.weights.to(outputs.logits)
        weights = weights[outputs.logits.argmax(dim=1)].permute(0, 3, 1, 2) if self.classwise else weights[0]
        return scale_gaps(outputs.logits, weights)

    def fit_sample(self, logits: Tensor, labels: Tensor) -> str:
        """Write the weights; see :meth:`SampledCalibrator.fit_sample`."""
        common = fit_weights(logits, labels, torch.ones(self.num_classes - 1, dtype=torch.float64), self.penalty)
        self.weights.copy_(common)
        if self.classwise:
            predicted = logits.argmax(dim=1)
            for k in predicted.unique().tolist():
                own = predicted == k
                if own.sum() >= self.fewest_pixels:
                    self.weights[k] = fit_weights(logits[own], labels[own], common, self.penalty)
        return f'weights {self.weights.cpu().numpy().round(3).tolist()}'


def fit_weights(logits: Tensor, labels: Tensor, start: Tensor, penalty: float = 0.) -> Tensor:
    """Positive weights of the gaps of the largest penalized likelihood, shape (K - 1,).

    Args:
        logits: Shape (n, K), float64.
        labels: Shape (n,).
        start: Where the search begins; no worse is returned.
        penalty: Weight of the mean square of the logarithms of weights over those of ``start``.
    """
    logs = start.log()
    first = logs.clone()
    minimize([logs], lambda: F.cross_entropy(scale_gaps(logits, logs.exp()), labels) + penalty * (logs - first).square().mean())
    return logs.exp()

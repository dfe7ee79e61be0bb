"""Mean and variance of the largest logit, per predicted class: exact streaming, and the published constants."""
from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

PUBLISHED_CLASS_STATISTICS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    'deeplabv3plus_r101-d8': (
        (9.089, 7.897, 8.173, 6.333, 6.439, 6.938, 6.313, 6.805, 8.143, 6.850, 7.377, 6.929, 5.626, 8.233, 5.528, 5.472,
         5.052, 5.159, 6.209),
        (2.553, 1.814, 2.166, 1.894, 1.787, 2.078, 1.509, 2.062, 1.907, 1.706, 1.744, 2.097, 2.129, 1.985, 2.459, 2.292,
         1.552, 2.029, 1.878)),
    'segformer_b2': (
        (5.381, 3.662, 2.330, 1.928, 2.179, 2.981, 2.743, 3.349, 3.816, 2.828, 4.811, 3.056, 2.766, 3.814, 1.975, 1.680,
         2.073, 2.473, 2.695),
        (2.115, 1.312, 0.598, 0.852, 1.024, 1.813, 1.082, 1.958, 1.054, 1.186, 1.092, 1.961, 1.663, 1.596, 1.045, 0.966,
         0.849, 1.238, 1.394)),
    'segformer_b5': (
        (5.534, 3.630, 2.631, 2.264, 2.708, 3.579, 3.196, 4.271, 4.094, 3.123, 4.420, 3.933, 3.180, 4.207, 2.474, 2.884,
         3.038, 2.946, 3.171),
        (2.682, 1.375, 0.936, 0.971, 1.410, 2.341, 1.372, 3.441, 1.349, 1.378, 1.035, 2.692, 2.267, 2.364, 1.285, 1.288,
         1.289, 1.458, 1.902)),
}  # yapf: disable
"""Means and variances of the released FlowEneDet (in Cityscapes train-id order), by the model they were taken from."""


class Moments(NamedTuple):
    """Count, mean and sum of squared deviations per class; int64, float64, float64, each (K,)."""

    count: Tensor
    mean: Tensor
    squares: Tensor

    @classmethod
    def empty(cls, num_classes: int) -> Moments:
        """Moments of no values."""
        zeros = torch.zeros(num_classes, dtype=torch.float64)
        return cls(torch.zeros(num_classes, dtype=torch.int64), zeros, zeros.clone())

    @classmethod
    def of(cls, values: Tensor, classes: Tensor, num_classes: int) -> Moments:
        """Moments of values grouped by class.

        Args:
            values: Any shape.
            classes: Class of every value, same shape, integers in [0, K).
            num_classes: K.
        """
        values, classes = values.detach().flatten().double(), classes.flatten()
        count = torch.bincount(classes, minlength=num_classes)
        mean = torch.bincount(classes, values, num_classes) / count.clamp_min(1)
        squares = torch.bincount(classes, (values - mean[classes]).square(), num_classes)
        return cls(count, mean, squares)

    def merge(self, other: Moments) -> Moments:
        """Moments of both sets of values together.

        Chan, Golub and LeVeque, "Algorithms for computing the sample variance", 1983, eq. 2.1.
        """
        count = self.count + other.count
        share = other.count / count.clamp_min(1)
        shift = other.mean - self.mean
        squares = self.squares + other.squares + shift.square() * self.count * share
        return Moments(count, self.mean + shift * share, squares)

    def mean_and_variance(self, unseen: tuple[float, float] | None = None) -> tuple[Tensor, Tensor]:
        """Population mean and variance, float64 (K,).

        Args:
            unseen: What a class with fewer than two values gets; by default the moments of all values pooled.
        """
        mean, variance = self.mean.clone(), self.squares / self.count.clamp_min(1)
        few = (self.count < 2) | (variance <= 0)
        fallback = self._pooled() if unseen is None else unseen
        return mean.masked_fill(few, fallback[0]), variance.masked_fill(few, fallback[1])

    def _pooled(self) -> tuple[float, float]:
        total = self.count.sum().clamp_min(1)
        mean = (self.count * self.mean).sum() / total
        squares = (self.squares + self.count * (self.mean - mean).square()).sum()
        variance = (squares / total).item()
        return mean.item(), variance if variance > 0 else 1.0


def correct_top_logit_moments(logits: Tensor, labels: Tensor, predicted: Tensor | None = None) -> Moments:
    """Moments of the predicted class's logit where the prediction is right, by class.

    Jung et al., "Standardized Max Logits", ICCV 2021, eq. 2-3, taken where prediction and label agree.

    Args:
        logits: Shape (N, K, H, W).
        labels: Shape (N, H, W).
        predicted: Predicted classes, shape (N, H, W); ``None`` is the arg-max.

    Examples:
        >>> logits = torch.tensor([[5., 1.], [0., 3.]]).view(1, 2, 1, 2)  # two pixels, predicted as 0 and 1
        >>> moments = correct_top_logit_moments(logits, labels=torch.zeros(1, 1, 2, dtype=torch.long))
        >>> moments.count.tolist(), moments.mean.tolist()
        ([1, 0], [5.0, 0.0])
    """
    predicted = logits.argmax(dim=1) if predicted is None else predicted
    right = predicted == labels
    top = logits.gather(1, predicted.unsqueeze(1)).squeeze(1)
    return Moments.of(top[right], predicted[right], logits.shape[1])

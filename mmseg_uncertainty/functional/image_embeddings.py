"""A few numbers about a whole image, which prediction sets adapt to; none of them reads a label."""
from __future__ import annotations

import torch
from torch import Tensor

from .prediction_sets import class_counts

SMALLEST_DOUBT = 1e-4


def confidence_statistics(probabilities: Tensor) -> Tensor:
    r"""Mean and deviation of the doubt :math:`1 - \max_k p_k` over the pixels, and mean of its logarithm.

    Args:
        probabilities: Shape (N, K, \*), in [0, 1].

    Returns:
        Shape (N, 3), float64; doubts below 1e-4 count as 1e-4 in the logarithm.

    Examples:
        >>> confidence_statistics(torch.tensor([[[0.5, 0.9], [0.5, 0.1]]])).round(decimals=2).tolist()
        [[0.3, 0.2, -1.5]]
    """
    doubt = 1 - probabilities.amax(dim=1).flatten(1).double()
    return torch.stack([doubt.mean(1), doubt.std(1, unbiased=False), doubt.clamp_min(SMALLEST_DOUBT).log().mean(1)], dim=1)


def brightness_statistics(images: Tensor) -> Tensor:
    """Mean and deviation of every channel.

    Args:
        images: Preprocessed images without padding, shape (N, C, H, W).

    Returns:
        Shape (N, 2 C), float64.

    Examples:
        >>> brightness_statistics(torch.tensor([[[[0.0, 2.0]], [[5.0, 5.0]]]])).tolist()
        [[1.0, 5.0, 1.0, 0.0]]
    """
    flat = images.flatten(2).double()
    return torch.cat([flat.mean(2), flat.std(2, unbiased=False)], dim=1)


def class_shares(predicted: Tensor, num_classes: int) -> Tensor:
    """Share of the pixels that is predicted as each class.

    Args:
        predicted: Shape (N, \\*), 0..K-1.
        num_classes: K.

    Returns:
        Shape (N, K), float64.

    Examples:
        >>> class_shares(torch.tensor([[0, 2, 2, 2]]), num_classes=3).tolist()
        [[0.25, 0.0, 0.75]]
    """
    counts = class_counts(predicted, num_classes).double()
    return counts / counts.sum(dim=1, keepdim=True)

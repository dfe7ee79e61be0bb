"""Typical posteriors of the predicted classes, and how far a pixel is from all of them."""
from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class PosteriorSums(NamedTuple):
    """Sums of class probabilities by predicted class.

    Args:
        pixels: Number of pixels predicted as each class, shape (K,), int64.
        sums: Sum of their class probabilities, shape (K, K), float64, one row per predicted class.

    Examples:
        >>> logits = torch.tensor([[0.8, 0.2], [0.6, 0.4]]).log()
        >>> PosteriorSums.of(logits).templates()  # both are predicted as class 0, none as class 1
        tensor([[0.7000, 0.3000],
                [   nan,    nan]], dtype=torch.float64)
    """

    pixels: Tensor
    sums: Tensor

    @classmethod
    def of(cls, logits: Tensor) -> PosteriorSums:
        """Sums over pixels with class logits (M, K)."""
        num_classes = logits.shape[1]
        probabilities, predicted = logits.double().softmax(dim=1), logits.argmax(dim=1)
        sums = probabilities.new_zeros(num_classes, num_classes).index_add_(0, predicted, probabilities)
        return cls(torch.bincount(predicted, minlength=num_classes), sums)

    def templates(self) -> Tensor:
        """Mean probabilities of the pixels predicted as each class, shape (K, K), float64; NaN where there are none."""
        return self.sums / self.pixels[:, None]


def kl_matching(logits: Tensor, templates: Tensor) -> Tensor:
    r"""Kullback-Leibler divergence from the nearest template, :math:`\min_k D(p \,\|\, d_k)`.

    Hendrycks et al., "Scaling Out-of-Distribution Detection for Real-World Settings", ICML 2022, Section 4.

    Args:
        logits: Class logits, shape (N, K, \*).
        templates: Mean class probabilities :math:`d_k` of the pixels predicted as class k, shape (K, K); NaN in the rows of
            classes that were never predicted.

    Returns:
        Shape (N, \*), in nats, non-negative; higher is more uncertain.

    Examples:
        >>> templates = torch.tensor([[0.5, 0.5], [torch.nan, torch.nan]])
        >>> kl_matching(torch.tensor([[0.5, 0.5], [1.0, 0.0]]).log(), templates)  # the template itself, and log(2)
        tensor([0.0000, 0.6931])
    """
    known = templates[templates.isfinite().all(dim=1)]
    logs = known.clamp_min(torch.finfo(known.dtype).tiny).log().to(logits)
    probabilities = logits.softmax(dim=1)
    crossed = torch.einsum('nk...,gk->ng...', probabilities, logs)
    return (-crossed.amax(dim=1) - torch.special.entr(probabilities).sum(dim=1)).clamp_min(0)

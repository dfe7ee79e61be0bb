"""Several scores in one."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

REDUCTIONS = ('sum', 'max')


def combine_scores(scores: Sequence[Tensor], means: Tensor, deviations: Tensor, reduction: str = 'sum') -> Tensor:
    r"""Sum :math:`\sum_i (s_i - \mu_i) / \sigma_i` of standardized scores, or their maximum.

    Args:
        scores: M maps of one shape (N, \*).
        means: Means over a calibration set, shape (M,).
        deviations: Standard deviations, shape (M,), positive.
        reduction: ``'sum'`` or ``'max'``.

    Returns:
        Shape (N, \*), in standard deviations; higher is more uncertain.

    Examples:
        >>> scores, means, deviations = [torch.tensor([3.]), torch.tensor([0.])], torch.tensor([1., 0.5]), torch.tensor([2., 1.])
        >>> combine_scores(scores, means, deviations)  # (3 - 1) / 2 - 0.5
        tensor([0.5000])
        >>> combine_scores(scores, means, deviations, reduction='max')
        tensor([1.])
    """
    standardized = torch.stack([(score - mean.to(score)) / deviation.to(score)
                                for score, mean, deviation in zip(scores, means, deviations, strict=True)])
    return standardized.sum(dim=0) if reduction == 'sum' else standardized.amax(dim=0)

"""Measure a model on data with coarser classes than its own."""
from __future__ import annotations

import torch
from torch import Tensor


def merge_class_logits(logits: Tensor, groups: Tensor) -> Tensor:
    r"""Logits of groups of classes, whose softmax is the sum of the members' probabilities.

    .. math:: z_g = \log \sum_{k \in g} e^{z_k}

    Args:
        logits: Class logits, shape (K, \*).
        groups: Group of each class, shape (K,), integer; every group from 0 to G - 1 has a member.

    Returns:
        Shape (G, \*).

    Raises:
        ValueError: The number of classes differs, or a group has no member.
    """
    count = int(groups.max()) + 1
    if len(groups) != len(logits) or len(groups.unique()) != count:
        raise ValueError(f'merge_class_logits: {len(logits)} classes and groups {groups.tolist()}; expected one group per class, '
                         'from 0 on without a gap.')
    return torch.stack([logits[groups == group].logsumexp(dim=0) for group in range(count)])

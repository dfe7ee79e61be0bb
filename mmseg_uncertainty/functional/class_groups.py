"""Measure a model on data with coarser classes than its own."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def merge_class_logits(logits: Tensor, groups: Sequence[int]) -> Tensor:
    r"""Logits of groups of classes, whose softmax is the sum of the members' probabilities.

    .. math:: z_g = \log \sum_{k \in g} e^{z_k}

    Args:
        logits: Class logits, shape (K, \*).
        groups: Group of each class, K of them; every group from 0 to G - 1 has a member.

    Returns:
        Shape (G, \*).

    Raises:
        ValueError: The number of classes differs, or a group has no member.

    Examples:
        >>> merge_class_logits(torch.tensor([0.7, 0.2, 0.1]).log(), groups=[0, 1, 1]).exp()
        tensor([0.7000, 0.3000])
    """
    groups = list(groups)
    count = max(groups) + 1
    if len(groups) != len(logits) or len(set(groups)) != count:
        raise ValueError(f'merge_class_logits: {len(logits)} classes and groups {groups}; expected one group per class, '
                         'from 0 on without a gap.')
    members = ([values for values, own in zip(logits, groups) if own == group] for group in range(count))
    return torch.stack([torch.stack(values).logsumexp(dim=0) for values in members])

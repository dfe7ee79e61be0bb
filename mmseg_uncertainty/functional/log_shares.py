"""Probabilities and what they leave to the others, as logarithms that keep their digits at both ends."""
from __future__ import annotations

import torch
from torch import Tensor

from .class_summary import summarize


def log_shares(logits: Tensor) -> tuple[Tensor, Tensor]:
    r"""Logarithms of :math:`p_k` and of :math:`1 - p_k`, the latter summed from the other classes for the largest.

    Args:
        logits: Class logits, shape (N, K, \*).

    Returns:
        Two maps of the same shape, in float32 at least.

    Examples:
        >>> own, rest = log_shares(torch.tensor([[0.7, 0.2, 0.1]]).log())
        >>> own.exp(), rest.exp()
        (tensor([[0.7000, 0.2000, 0.1000]]), tensor([[0.3000, 0.8000, 0.9000]]))
    """
    summary = summarize(logits)
    total = torch.log1p(summary.rest)
    log_own = logits.to(summary.maximum) - (summary.maximum + total).unsqueeze(1)
    winner = summary.predicted.long().unsqueeze(1)
    others = torch.log1p(-log_own.scatter(1, winner, -torch.inf).exp())
    return log_own, others.scatter(1, winner, (summary.rest.log() - total).unsqueeze(1))

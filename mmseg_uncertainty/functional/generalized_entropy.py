"""Entropy that weighs small probabilities more than Shannon's."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .class_summary import summarize


def generalized_entropy(logits: Tensor, gamma: float = 0.1, top: int | None = None, sigmoids: bool = False) -> Tensor:
    r"""Generalized entropy GEN, :math:`\sum_{k \in \mathrm{top}} p_k^\gamma (1 - p_k)^\gamma`.

    Liu, Lochman and Zach, "GEN: Pushing the Limits of Softmax-Based Out-of-Distribution Detection", CVPR 2023, eq. 5. A small
    power makes much of the last digits of :math:`1 - p`, which is therefore summed from the other classes.

    Args:
        logits: Class logits, shape (N, K, \*).
        gamma: Power :math:`\gamma` in (0, 1).
        top: Number of the most probable classes that count, ``None`` for all.
        sigmoids: Whether every class has a sigmoid of its own in place of its share of the softmax.

    Returns:
        Shape (N, \*), in [0, top · 4^(-gamma)]; higher is more uncertain.

    Examples:
        >>> generalized_entropy(torch.tensor([[0.8, 0.2]]).log(), gamma=0.5)  # sqrt(0.8 · 0.2) + sqrt(0.2 · 0.8)
        tensor([0.8000])
        >>> generalized_entropy(torch.tensor([[0.8, 0.2]]).log(), gamma=0.5, top=1)
        tensor([0.4000])
    """
    log_own, log_rest = (F.logsigmoid(logits), F.logsigmoid(-logits)) if sigmoids else _log_shares(logits)
    terms = gamma * (log_own + log_rest)
    if top is not None and top < terms.shape[1]:
        terms = terms.gather(1, log_own.topk(top, dim=1).indices)
    return terms.exp().sum(dim=1)


def _log_shares(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Logarithms of every probability and of what it leaves to the others."""
    summary = summarize(logits)
    total = torch.log1p(summary.rest)
    log_own = logits.to(summary.maximum) - (summary.maximum + total).unsqueeze(1)
    winner = summary.predicted.long().unsqueeze(1)
    others = torch.log1p(-log_own.scatter(1, winner, -torch.inf).exp())
    return log_own, others.scatter(1, winner, (summary.rest.log() - total).unsqueeze(1))

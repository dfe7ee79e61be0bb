"""Entropy that weighs small probabilities more than Shannon's."""
from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from .log_shares import log_shares


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
    log_own, log_rest = (F.logsigmoid(logits), F.logsigmoid(-logits)) if sigmoids else log_shares(logits)
    terms = gamma * (log_own + log_rest)
    if top is not None:
        terms = terms.gather(1, log_own.topk(min(top, terms.shape[1]), dim=1).indices)
    return terms.exp().sum(dim=1)


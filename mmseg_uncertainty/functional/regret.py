"""What a learner that knew the label would have gained."""
from __future__ import annotations

import torch
from torch import Tensor

from .log_shares import log_shares


def predictive_regret(logits: Tensor, leverage: Tensor) -> Tensor:
    r"""Regret of predictive normalized maximum likelihood (pNML) for a linear classifier.

    .. math:: \log \sum_k \frac{p_k}{p_k + p_k^g (1 - p_k)}, \qquad g = \frac{l}{1 + l}, \quad l = f^T (X^T X)^{-1} f

    Bibas, Feder and Hassner, "Single Layer Predictive Normalized Maximum Likelihood for Out-of-Distribution Detection",
    NeurIPS 2021, eq. 7 and 8. What the sum exceeds 1 by is summed by itself, since leverages of many pixels are small.

    Args:
        logits: Class logits, shape (N, K, \*).
        leverage: l of features of unit length among those of the calibration set, shape (N, \*), non-negative.

    Returns:
        Shape (N, \*), in nats, in [0, log((K + 1) / 2)]; higher is more uncertain.

    Examples:
        >>> even = torch.zeros(1, 2)
        >>> predictive_regret(even, leverage=torch.tensor([1.]))  # log(2 · 0.5 / (0.5 + 0.5 · sqrt(0.5)))
        tensor([0.1583])
        >>> predictive_regret(even, leverage=torch.tensor([0.]))
        tensor([0.])
    """
    power = (leverage / (1 + leverage)).unsqueeze(1)
    logs, log_rest = log_shares(logits)
    own, rest, raised = logs.exp(), log_rest.exp(), power * logs
    # 1 - e^x by its digits; exporters do not know expm1.
    half = torch.tanh(raised / 2)
    lost = 2 * half / (half - 1)
    return (own * rest * lost / (own + raised.exp() * rest)).sum(dim=1).log1p()

"""Maps of class logits that keep the predicted class, and do not see a constant added to all logits of a pixel."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def scale_gaps(logits: Tensor, weights: Tensor) -> Tensor:
    r"""Multiply the gap between the i-th and the next largest logit by a weight of its own.

    With positive weights the order of all classes stays, not the arg-max alone. Rahimi et al., "Intra Order-preserving Functions
    for Calibration of Multi-Class Neural Networks", NeurIPS 2020, Theorem 1.

    Args:
        logits: Class logits, shape (N, K, \*).
        weights: Shape (K - 1,), one set for all pixels; or (N, K - 1, \*), one for each.

    Returns:
        Same shape; the smallest logit of a pixel is 0.

    Examples:
        >>> scale_gaps(torch.tensor([[1., 6., 3.]]), weights=torch.tensor([2., 0.5]))  # gaps of 3 and 2 become 6 and 1
        tensor([[0., 7., 1.]])
    """
    # Ties have a gap of 0, so their order changes nothing.
    ordered, places = logits.sort(dim=1, descending=True)
    gaps = ordered[:, :-1] - ordered[:, 1:]
    weights = weights.reshape(1, -1, *[1] * (logits.dim() - 2)) if weights.dim() == 1 else weights
    from_below = (gaps * weights).flip(1).cumsum(dim=1).flip(1)
    return torch.zeros_like(logits).scatter(1, places, F.pad(from_below, (*[0, 0] * (logits.dim() - 2), 0, 1)))


def mix_temperatures(logits: Tensor, temperature: Tensor | float, weights: Tensor) -> Tensor:
    r"""Logarithm of :math:`w_1\,\mathrm{softmax}(z / T) + w_2\,\mathrm{softmax}(z) + w_3 / K`.

    Zhang, Kailkhura and Han, "Mix-n-Match: Ensemble and Compositional Methods for Uncertainty Calibration in Deep Learning", ICML
    2020, eq. 7.

    Args:
        logits: Class logits, shape (N, K, \*).
        temperature: T.
        weights: Shares of the three, shape (3,), summing to 1.

    Returns:
        Same shape.

    Examples:
        >>> logits = torch.tensor([[0.9, 0.1]]).log()
        >>> mix_temperatures(logits, 1.0, weights=torch.tensor([0., 0.5, 0.5])).exp()  # halfway to even odds
        tensor([[0.7000, 0.3000]])
    """
    scaled, own = (logits / temperature).log_softmax(dim=1), logits.log_softmax(dim=1)
    even = torch.full_like(own, 1 / logits.shape[1]).log()
    logs = weights.to(logits).log()
    return torch.stack([scaled + logs[0], own + logs[1], even + logs[2]]).logsumexp(dim=0)


def top_log_odds(logits: Tensor) -> Tensor:
    r"""Log-odds of the largest probability, without the difference to 1.

    Args:
        logits: Class logits, shape (N, K, \*).

    Returns:
        Shape (N, \*).

    Examples:
        >>> top_log_odds(torch.tensor([[0.75, 0.15, 0.1]]).log()).exp()  # 3 to 1
        tensor([3.])
    """
    ordered = logits.sort(dim=1, descending=True).values
    return ordered[:, 0] - ordered[:, 1:].logsumexp(dim=1)


def set_top_log_odds(logits: Tensor, log_odds: Tensor) -> Tensor:
    r"""Move the largest logit so that its probability has these log-odds; the others keep their proportions.

    It stays the largest, whatever is asked.

    Args:
        logits: Class logits, shape (N, K, \*).
        log_odds: Shape (N, \*).

    Returns:
        Same shape as the logits.

    Examples:
        >>> changed = set_top_log_odds(torch.tensor([[0.8, 0.15, 0.05]]).log(), torch.tensor([0.]))
        >>> changed.softmax(dim=1)
        tensor([[0.5000, 0.3750, 0.1250]])
    """
    winner = logits.argmax(dim=1, keepdim=True)
    others = logits.scatter(1, winner, -torch.inf)
    wanted = others.logsumexp(dim=1, keepdim=True) + log_odds.unsqueeze(1)
    return logits.scatter(1, winner, torch.maximum(wanted, others.amax(dim=1, keepdim=True)))

"""Uncertainty of a prediction that was sampled several times."""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .scores import mutual_information


def sampled_msp(probabilities: Tensor) -> Tensor:
    r"""One minus the largest mean probability, shape (S, N, K, \*) to (N, \*), in [0, 1 - 1/K]; higher is more uncertain.

    Examples:
        >>> sampled_msp(torch.tensor([[[0.9, 0.1]], [[0.5, 0.5]]]))
        tensor([0.3000])
    """
    return 1 - probabilities.mean(dim=0).amax(dim=1)


def predictive_entropy(probabilities: Tensor) -> Tensor:
    r"""Entropy of the mean probabilities in nats, shape (S, N, K, \*) to (N, \*); higher is more uncertain.

    Examples:
        >>> predictive_entropy(torch.tensor([[[1., 0.]], [[0., 1.]]]))  # log(2)
        tensor([0.6931])
    """
    return torch.special.entr(probabilities.mean(dim=0)).sum(dim=1)


def published_confidence_drop(probabilities: Tensor) -> Tensor:
    r"""Score ``MCD`` of the released FlowEneDet, :math:`-\exp(\sum_k \bar p_k \log(\bar p_k + 10^{-8}))`.

    Args:
        probabilities: Class probabilities of S samples, shape (S, N, K, \*).

    Returns:
        Shape (N, \*), in about [-1, -1/K]; a monotone function of the predictive entropy.
    """
    mean = probabilities.mean(dim=0)
    return -(mean * (mean + 1e-8).log()).sum(dim=1).exp()


MEASURES: dict[str, Callable[[Tensor], Tensor]] = {
    'msp': sampled_msp,
    'entropy': predictive_entropy,
    'mutual_information': mutual_information,
    'published': published_confidence_drop,
}
"""Scores of sampled class probabilities (S, N, K, \\*) by name."""

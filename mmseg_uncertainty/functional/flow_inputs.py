"""What the FlowEneDet flow sees of a frozen model: energies and confidences of its logits, pooled features."""
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def negative_energy(logits: Tensor) -> Tensor:
    r"""Negative free energy :math:`\log\sum_k e^{l_k}`, shape (N, K, \*) to (N, \*)."""
    return torch.logsumexp(logits, dim=1)


def doubt_log_odds(logits: Tensor) -> Tensor:
    r"""Log-odds that the arg-max class is wrong if the softmax is right, :math:`\log\frac{1-p_{max}}{p_{max}}`.

    Computed from the logits as :math:`\log\sum_{k\neq k^*} e^{l_k} - l_{k^*}`, without the cancellation of
    :math:`1 - p_{max}`; a monotone function of the maximum softmax probability that does not saturate.

    Args:
        logits: Shape (N, K, \*), K at least 2.

    Returns:
        Shape (N, \*), unbounded, higher is more uncertain.
    """
    top, position = logits.max(dim=1, keepdim=True)
    others = logits.masked_fill(torch.zeros_like(logits, dtype=torch.bool).scatter(1, position, True), -torch.inf)
    return torch.logsumexp(others, dim=1) - top.squeeze(1)


def top_two_margin(logits: Tensor) -> Tensor:
    r"""Difference of the two largest logits, shape (N, K, \*) to (N, \*), non-negative, higher is surer."""
    first, second = logits.topk(2, dim=1).values.unbind(dim=1)
    return first - second


def log_entropy(logits: Tensor) -> Tensor:
    r"""Logarithm of the softmax entropy in nats, shape (N, K, \*) to (N, \*), higher is more uncertain."""
    log_probability = logits.log_softmax(dim=1)
    entropy = -(log_probability.exp() * log_probability).sum(dim=1)
    return entropy.clamp_min(torch.finfo(entropy.dtype).tiny).log().clamp_min(-30.0)


def standardize_logits(logits: Tensor, means: Tensor, variances: Tensor) -> Tensor:
    r"""Standardize every class channel, :math:`q_k = (l_k - \mu_k) / \sigma_k`.

    Args:
        logits: Shape (N, K, \*).
        means: Mean of the largest logit among pixels of each predicted class, shape (K,).
        variances: Its variance, shape (K,), positive.
    """
    shape = (1, -1) + (1, ) * (logits.dim() - 2)
    return (logits - means.view(shape)) / variances.sqrt().view(shape)


def standardized_top_logit(logits: Tensor, means: Tensor, variances: Tensor) -> Tensor:
    r"""The largest logit, standardized by the statistics of its class, shape (N, K, \*) to (N, \*); higher is surer."""
    top, predicted = logits.max(dim=1)
    return (top - means[predicted]) / variances.sqrt()[predicted]


INPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    'doubt_log_odds': doubt_log_odds,
    'negative_energy': negative_energy,
    'margin': top_two_margin,
    'log_entropy': log_entropy,
    'max_logit': lambda logits: logits.amax(dim=1),
}


def flow_input(logits: Tensor, names: Sequence[str]) -> Tensor:
    """Stack scalar functions of the logits into the input of a flow.

    Args:
        logits: Class logits, shape (N, K, h, w).
        names: Keys of :data:`INPUTS`.

    Returns:
        Shape (N, len(names), h, w).
    """
    return torch.stack([INPUTS[name](logits) for name in names], dim=1)


def published_flow_input(logits: Tensor, means: Tensor, variances: Tensor) -> Tensor:
    r"""The two-channel input of the released FlowEneDet, :math:`(\log\sigma(E), \log(10^{-6} + 1 - \sigma(E)))`.

    :math:`E` is the negative free energy of the standardized logits. Both channels are functions of the one number
    :math:`E`, so the input lives on a curve and has no density in two dimensions.

    Gudovskiy et al., "Concurrent Misclassification and Out-of-Distribution Detection for Semantic Segmentation via
    Energy-Based Normalizing Flow", UAI 2023, released code.

    Args:
        logits: Class logits, shape (N, K, h, w).
        means: Class means of the largest logit, shape (K,).
        variances: Class variances of the largest logit, shape (K,).

    Returns:
        Shape (N, 2, h, w), non-positive.
    """
    inside = F.logsigmoid(negative_energy(standardize_logits(logits, means, variances)))
    outside = torch.log(1e-6 + 1 - inside.exp())
    return torch.stack([inside, outside], dim=1)


def pool_channels(features: Tensor, channels: int) -> Tensor:
    """Average consecutive groups of channels.

    Args:
        features: Shape (N, V, h, w).
        channels: Number of groups P; V must be a multiple of it.

    Returns:
        Shape (N, P, h, w).
    """
    if features.shape[1] % channels:
        raise ValueError(f'{features.shape[1]} feature channels cannot be pooled into {channels} equal groups; '
                         f'choose condition_channels among the divisors of {features.shape[1]}.')
    return features.unflatten(1, (channels, -1)).mean(dim=2)

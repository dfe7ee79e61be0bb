"""What the FlowEneDet flow sees of a frozen model: energies and confidences of its logits, pooled features."""
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .class_summary import ClassSummary, summarize
from .scores import energy, entropy, max_logit


def doubt_log_odds(summary: ClassSummary) -> Tensor:
    r"""Log-odds that the arg-max class is wrong if the softmax is right, :math:`\log\frac{1-p_{max}}{p_{max}}`.

    A monotone function of the maximum softmax probability that does not saturate, which makes it a better input than the
    probability itself.

    Args:
        summary: Summary of the logits, maps of shape (N, \*).

    Returns:
        Shape (N, \*), from about -87 to log(K - 1); higher is more uncertain.

    Examples:
        >>> doubt_log_odds(summarize(torch.tensor([[0.8, 0.1, 0.1]]).log()))  # log(0.2 / 0.8)
        tensor([-1.3863])
    """
    return summary.rest.clamp_min(torch.finfo(summary.rest.dtype).tiny).log()


def log_entropy(summary: ClassSummary) -> Tensor:
    r"""Logarithm of the softmax entropy in nats, shape (N, \*), bounded below; higher is more uncertain.

    Examples:
        >>> log_entropy(summarize(torch.zeros(1, 4)))  # log(log(4))
        tensor([0.3266])
    """
    value = entropy(summary)
    return value.clamp_min(torch.finfo(value.dtype).tiny).log()


INPUTS: dict[str, Callable[[ClassSummary], Tensor]] = {
    'doubt_log_odds': doubt_log_odds,
    'log_entropy': log_entropy,
    'energy': energy,
    'max_logit': max_logit,
    'gap': lambda summary: -summary.gap,
}
"""Scalar functions of the logits that a flow may take as input; all of them grow with uncertainty."""


def flow_input(logits: Tensor | ClassSummary, names: Sequence[str]) -> Tensor:
    """Stack scalar functions of the logits into the input of a flow.

    Args:
        logits: Class logits, shape (N, K, h, w), or their summary.
        names: Keys of :data:`INPUTS`.

    Returns:
        Shape (N, len(names), h, w).

    Examples:
        >>> flow_input(torch.tensor([5., 1., 3.]).view(1, 3, 1, 1), names=['max_logit', 'gap']).flatten()
        tensor([-5., -2.])
    """
    summary = logits if isinstance(logits, ClassSummary) else summarize(logits)
    return torch.stack([INPUTS[name](summary) for name in names], dim=1)


def standardize_logits(logits: Tensor, means: Tensor, variances: Tensor) -> Tensor:
    r"""Standardize every class channel, :math:`q_k = (l_k - \mu_k) / \sigma_k`.

    Args:
        logits: Shape (N, K, \*).
        means: Mean of the largest logit among pixels of each predicted class, shape (K,).
        variances: Its variance, shape (K,), positive.

    Examples:
        >>> standardize_logits(torch.tensor([[9., 3.]]), means=torch.tensor([5., 4.]), variances=torch.tensor([4., 1.]))
        tensor([[ 2., -1.]])
    """
    shape = (1, -1) + (1, ) * (logits.dim() - 2)
    return (logits - means.view(shape)) / variances.sqrt().view(shape)


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
    inside = F.logsigmoid(-energy(standardize_logits(logits, means, variances)))
    outside = torch.log(1e-6 + 1 - inside.exp())
    return torch.stack([inside, outside], dim=1)


def pool_channels(features: Tensor, channels: int) -> Tensor:
    """Average consecutive groups of channels.

    Args:
        features: Shape (N, V, h, w).
        channels: Number of groups P; V must be a multiple of it.

    Returns:
        Shape (N, P, h, w).

    Examples:
        >>> pool_channels(torch.tensor([1., 3., 5., 7.]).view(1, 4, 1, 1), channels=2).flatten()
        tensor([2., 6.])
    """
    if features.shape[1] % channels:
        raise ValueError(f'{features.shape[1]} feature channels cannot be pooled into {channels} equal groups; '
                         f'choose condition_channels among the divisors of {features.shape[1]}.')
    return features.unflatten(1, (channels, -1)).mean(dim=2)


def standardize_over_image(maps: Tensor, valid: Tensor | None = None, eps: float = 1e-4) -> Tensor:
    r"""Remove what all pixels of an image have in common, :math:`(f_{ij} - \mu) / \sqrt{\sigma^2 + \epsilon}` by channel.

    Light, camera and city shift the features of a whole image; how a pixel differs from the rest of its image moves less
    (instance normalization without a learned part, Ulyanov et al., 2016).

    Args:
        maps: Shape (N, C, h, w).
        valid: Which cells lie in the image and not in its padding, shape (N, 1, h, w), bool; ``None`` where all do.
        eps: Keeps channels that are constant over an image at zero.

    Returns:
        Shape (N, C, h, w).

    Examples:
        >>> standardize_over_image(torch.tensor([1., 3.]).view(1, 1, 1, 2), eps=0).flatten()
        tensor([-1.,  1.])
    """
    if valid is None:
        variance, mean = torch.var_mean(maps, dim=(2, 3), correction=0, keepdim=True)
    else:
        count = valid.sum(dim=(2, 3), keepdim=True).clamp_min(1)
        mean = maps.masked_fill(~valid, 0).sum(dim=(2, 3), keepdim=True) / count
        variance = (maps - mean).square().masked_fill(~valid, 0).sum(dim=(2, 3), keepdim=True) / count
    return (maps - mean) / (variance + eps).sqrt()

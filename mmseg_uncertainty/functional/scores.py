"""Uncertainty scores of class logits; higher is always more uncertain."""
from __future__ import annotations

import torch
from torch import Tensor

from .class_summary import ClassSummary, summarize


def msp(logits: Tensor | ClassSummary) -> Tensor:
    r"""One minus the maximum softmax probability, :math:`1 - \max_k p_k`.

    Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural Networks",
    ICLR 2017. Computed without the difference to 1, so that confident pixels keep their order.

    Args:
        logits: Class logits, shape (N, K, \*), or their summary.

    Returns:
        Shape (N, \*), in [0, 1 - 1/K]; higher is more uncertain.

    Examples:
        >>> msp(torch.tensor([[0.7, 0.2, 0.1]]).log())
        tensor([0.3000])
    """
    summary = _summary(logits)
    return summary.rest / (1 + summary.rest)


def max_logit(logits: Tensor | ClassSummary) -> Tensor:
    r"""Negative largest logit, :math:`-\max_k z_k`.

    Hendrycks et al., "Scaling Out-of-Distribution Detection for Real-World Settings", ICML 2022.

    Args:
        logits: Class logits, shape (N, K, \*), or their summary.

    Returns:
        Shape (N, \*), unbounded, in the units of the logits; higher is more uncertain.

    Examples:
        >>> max_logit(torch.tensor([[5., 1., -2.]]))
        tensor([-5.])
    """
    return -_summary(logits).maximum


def energy(logits: Tensor | ClassSummary, temperature: float = 1.0) -> Tensor:
    r"""Free energy of the class logits, :math:`E(x) = -T \log \sum_k e^{z_k / T}`.

    Liu et al., "Energy-based Out-of-distribution Detection", NeurIPS 2020, eq. 4.

    Args:
        logits: Class logits, shape (N, K, \*), or the summary of the logits divided by ``temperature``.
        temperature: :math:`T > 0`.

    Returns:
        Shape (N, \*), unbounded, in the units of the logits; higher is more uncertain.

    Examples:
        >>> energy(torch.tensor([[3., 2., 1.]]).log())  # -log(3 + 2 + 1)
        tensor([-1.7918])
    """
    summary = _summary(logits, temperature)
    return -temperature * (summary.maximum + torch.log1p(summary.rest))


def entropy(logits: Tensor | ClassSummary) -> Tensor:
    r"""Entropy of the class probabilities, :math:`-\sum_k p_k \log p_k`.

    Args:
        logits: Class logits, shape (N, K, \*), or their summary.

    Returns:
        Shape (N, \*), in nats, in [0, log K]; higher is more uncertain.

    Examples:
        >>> entropy(torch.zeros(1, 4))  # four classes alike: log(4)
        tensor([1.3863])
    """
    summary = _summary(logits)
    return torch.log1p(summary.rest) + summary.spread / (1 + summary.rest)


def margin(logits: Tensor | ClassSummary) -> Tensor:
    r"""One minus the gap between the two largest probabilities, :math:`1 - (p_{(1)} - p_{(2)})`.

    Scheffer et al., "Active Hidden Markov Models for Information Extraction", IDA 2001.

    Args:
        logits: Class logits, shape (N, K, \*), or their summary.

    Returns:
        Shape (N, \*), in [0, 1]; higher is more uncertain.

    Examples:
        >>> margin(torch.tensor([[0.7, 0.2, 0.1]]).log())  # 1 - (0.7 - 0.2)
        tensor([0.5000])
    """
    summary = _summary(logits)
    return (summary.rest + torch.exp(-summary.gap)) / (1 + summary.rest)


def standardized_max_logit(logits: Tensor | ClassSummary, means: Tensor, variances: Tensor) -> Tensor:
    r"""Negative largest logit, standardized by the statistics of the predicted class.

    Jung et al., "Standardized Max Logits: A Simple yet Effective Approach for Identifying Unexpected Road Obstacles in
    Urban-Scene Segmentation", ICCV 2021, eq. 2.

    Args:
        logits: Class logits, shape (N, K, \*), or their summary.
        means: Mean largest logit of the pixels predicted as each class, shape (K,).
        variances: Its variance, shape (K,), positive.

    Returns:
        Shape (N, \*), in standard deviations; higher is more uncertain.

    Examples:
        >>> logits = torch.tensor([[9., 1.]])
        >>> standardized_max_logit(logits, means=torch.tensor([5., 4.]), variances=torch.tensor([4., 1.]))  # (5 - 9) / 2
        tensor([-2.])
    """
    summary = _summary(logits)
    predicted = summary.predicted.long()
    return (means[predicted] - summary.maximum) / variances[predicted].sqrt()


def mutual_information(probabilities: Tensor) -> Tensor:
    r"""Mutual information of prediction and model, :math:`H[\mathrm{E}\,p] - \mathrm{E}\,H[p]`, over sampled models.

    Houlsby et al., "Bayesian Active Learning for Classification and Preference Learning", 2011.

    Args:
        probabilities: Class probabilities of S samples, shape (S, N, K, \*).

    Returns:
        Shape (N, \*), in nats, in [0, log K]; higher is more uncertain.

    Examples:
        >>> mutual_information(torch.tensor([[[0.5, 0.5]], [[0.5, 0.5]]]))  # both unsure, and of one mind
        tensor([0.])
        >>> mutual_information(torch.tensor([[[1., 0.]], [[0., 1.]]]))  # both sure, of different classes: log(2)
        tensor([0.6931])
    """
    of_mean = torch.special.entr(probabilities.mean(dim=0)).sum(dim=1)
    return (of_mean - torch.special.entr(probabilities).sum(dim=2).mean(dim=0)).clamp_min(0)


def _summary(logits: Tensor | ClassSummary, temperature: float = 1.0) -> ClassSummary:
    if isinstance(logits, ClassSummary):
        return logits
    return summarize(logits if temperature == 1 else logits / temperature)

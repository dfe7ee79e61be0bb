r"""What the output of a segmentation model says about the classes of a pixel.

A *score* is whatever the last layer gives, shape (N, C, \*); *class logits* are what heads, calibrators and sets read,
shape (N, K, \*) with K at least 2; *probabilities* follow from class logits.
"""
from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from .class_summary import ClassSummary, summarize

MOST_NATS = 80.


class ClassDistribution(metaclass=ABCMeta):
    """Meaning of a model's output; see the subclasses.

    Attributes:
        name: Its name in configs and results.
        sums_to_one: Whether class probabilities sum to 1.
        predicts_likeliest: Whether the predicted class is that of the largest class logit.
    """

    name: ClassVar[str]
    sums_to_one: ClassVar[bool] = True
    predicts_likeliest: ClassVar[bool] = True

    def class_logits(self, scores: Tensor) -> Tensor:
        r"""Class logits, shape (N, K, \*), of scores (N, C, \*)."""
        return scores

    def output(self, scores: Tensor) -> Tensor:
        r"""Scores in the form in which mmseg keeps them in a result, shape (N, C, \*)."""
        return scores

    def probabilities(self, logits: Tensor) -> Tensor:
        r"""Class probabilities in [0, 1], shape (N, K, \*), of class logits."""
        return logits.softmax(dim=1)

    def choose(self, probabilities: Tensor) -> Tensor:
        r"""Class that the model decides for, shape (N, \*), int64."""
        return probabilities.argmax(dim=1)

    def predict(self, scores: Tensor) -> Tensor:
        r"""Class that the model predicts from its scores, shape (N, \*), int64."""
        return scores.argmax(dim=1)

    def summarize(self, logits: Tensor, predicted: Tensor | None = None) -> ClassSummary:
        r"""What stateless scores read.

        Args:
            logits: Class logits, shape (N, K, \*).
            predicted: Class that the model predicts, shape (N, \*); ``None`` is the arg-max.
        """
        return summarize(logits)

    def entropy(self, probabilities: Tensor) -> Tensor:
        r"""Entropy in nats, shape (N, \*), of probabilities (N, K, \*)."""
        return torch.special.entr(probabilities).sum(dim=1)

    def sampled(self, probabilities: Tensor) -> Tensor:
        r"""Probabilities of S samples, (S, N, K, \*), as distributions over alternatives, for measures of disagreement."""
        return probabilities

    @abstractmethod
    def scores(self, probabilities: Tensor) -> Tensor:
        r"""Scores (N, C, \*) whose class probabilities are these."""


class Softmax(ClassDistribution):
    """Logits of classes that exclude each other."""

    name = 'softmax'

    def scores(self, probabilities: Tensor) -> Tensor:
        """Logarithms; see :meth:`ClassDistribution.scores`."""
        return probabilities.clamp_min(1e-300 if probabilities.dtype == torch.float64 else 1e-38).log()


class OneSigmoid(ClassDistribution):
    r"""One channel z: foreground has the probability :math:`\sigma(z)` and is predicted where that exceeds a threshold.

    The class logits are 0 and z, whose softmax is the sigmoid. With a threshold other than 0.5 the predicted class need not
    be the likelier one. Summaries are therefore about the predicted class: MSP is one minus *its* probability, the
    probability that the prediction is wrong.

    Args:
        threshold: Decision threshold t in [0, 1].
    """

    name = 'sigmoid'
    predicts_likeliest = False

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold

    def class_logits(self, scores: Tensor) -> Tensor:
        """Background logit 0 beside the channel; see :meth:`ClassDistribution.class_logits`."""
        return torch.cat([torch.zeros_like(scores), scores], dim=1)

    def output(self, scores: Tensor) -> Tensor:
        """Probability of the foreground; see :meth:`ClassDistribution.output`."""
        return scores.sigmoid()

    def choose(self, probabilities: Tensor) -> Tensor:
        """Whether the foreground exceeds the threshold; see :meth:`ClassDistribution.choose`."""
        return (probabilities[:, 1] > self.threshold).long()

    def predict(self, scores: Tensor) -> Tensor:
        """Whether the foreground exceeds the threshold; see :meth:`ClassDistribution.predict`."""
        return (scores[:, 0].sigmoid() > self.threshold).long()

    def summarize(self, logits: Tensor, predicted: Tensor | None = None) -> ClassSummary:
        """Summary about the predicted class; see :meth:`ClassDistribution.summarize`."""
        predicted = self.choose(self.probabilities(logits)) if predicted is None else predicted.long()
        background, foreground = logits.unbind(dim=1)
        chosen = torch.where(predicted == 1, foreground, background)
        return summarize_pair(chosen, background + foreground - chosen, predicted)

    def scores(self, probabilities: Tensor) -> Tensor:
        """Log-odds of the foreground; see :meth:`ClassDistribution.scores`."""
        logs = Softmax().scores(probabilities)
        return logs[:, 1:] - logs[:, :1]


class Sigmoids(ClassDistribution):
    r"""One sigmoid per class, trained one against the rest; the class of the largest is predicted.

    Probabilities :math:`\sigma(z_k)` do not sum to 1. Summaries are those of the predicted class t against "not t", so that
    MSP is :math:`1 - \sigma(z_t)` and entropy that of one coin.
    """

    name = 'sigmoids'
    sums_to_one = False

    def probabilities(self, logits: Tensor) -> Tensor:
        """Sigmoids; see :meth:`ClassDistribution.probabilities`."""
        return logits.sigmoid()

    def summarize(self, logits: Tensor, predicted: Tensor | None = None) -> ClassSummary:
        """Summary of the predicted class against all else; see :meth:`ClassDistribution.summarize`."""
        predicted = logits.argmax(dim=1) if predicted is None else predicted.long()
        chosen = logits.gather(1, predicted.unsqueeze(1)).squeeze(1)
        return summarize_pair(chosen, torch.zeros_like(chosen), predicted)

    def entropy(self, probabilities: Tensor) -> Tensor:
        """Entropy of K independent coins; see :meth:`ClassDistribution.entropy`."""
        return (torch.special.entr(probabilities) + torch.special.entr(1 - probabilities)).sum(dim=1)

    def binary_problems(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Every class of every pixel as a problem of its own, the class against the rest.

        Args:
            logits: Shape (K, n).
            labels: Class of each pixel, shape (n,); K and above is void.

        Returns:
            Logits (2, K n) of rest and class, and labels (K n,): 1 where the class is the label, void where that is void.
        """
        own = torch.arange(len(logits), device=labels.device)[:, None]
        wanted = (labels == own).to(labels.dtype).where(labels < len(logits), labels)
        return torch.stack([torch.zeros_like(logits), logits]).flatten(1), wanted.flatten()

    def sampled(self, probabilities: Tensor) -> Tensor:
        """The class predicted on average against all else; see :meth:`ClassDistribution.sampled`."""
        index = probabilities.mean(dim=0).argmax(dim=1)
        chosen = probabilities.gather(2, index[None, :, None].expand(len(probabilities), -1, 1, *[-1] * (index.ndim - 1)))
        return torch.cat([1 - chosen, chosen], dim=2)

    def scores(self, probabilities: Tensor) -> Tensor:
        """Log-odds of every class; see :meth:`ClassDistribution.scores`."""
        return torch.special.logit(probabilities, eps=torch.finfo(probabilities.dtype).tiny)


class MaskMass(ClassDistribution):
    r"""Mask transformers: the mass :math:`S_k = \sum_q p_q(k) m_q \ge 0` that queries assign to class k.

    It is no distribution. Its logarithm is the class logit, so that probabilities are :math:`S_k / \sum_j S_j`.
    """

    name = 'mask mass'

    def class_logits(self, scores: Tensor) -> Tensor:
        """Logarithm of the mass; see :meth:`ClassDistribution.class_logits`."""
        return scores.clamp_min(torch.finfo(scores.dtype).tiny).log()

    def scores(self, probabilities: Tensor) -> Tensor:
        """The probabilities themselves; see :meth:`ClassDistribution.scores`."""
        return probabilities


SOFTMAX = Softmax()
DISTRIBUTIONS: dict[str, type[ClassDistribution]] = {
    kind.name: kind for kind in (Softmax, OneSigmoid, Sigmoids, MaskMass)}
"""What an output can mean, by name."""


def class_distribution(name: str, threshold: float = 0.5) -> ClassDistribution:
    """The distribution of a name out of :data:`DISTRIBUTIONS`.

    Args:
        name: What the output means.
        threshold: Decision threshold of ``'sigmoid'``.

    Raises:
        ValueError: The name is unknown.

    Examples:
        >>> output = class_distribution('sigmoid', threshold=0.3)
        >>> output.predict(torch.tensor([[0.4], [0.2]]).logit())  # foreground from 0.3 on
        tensor([1, 0])
    """
    if name not in DISTRIBUTIONS:
        raise ValueError(f'The output of a model cannot be {name!r}; choose from {tuple(DISTRIBUTIONS)}.')
    return OneSigmoid(threshold) if name == OneSigmoid.name else DISTRIBUTIONS[name]()


def summarize_pair(chosen: Tensor, other: Tensor, predicted: Tensor) -> ClassSummary:
    r"""Summary of two logits about the chosen one, which need not be the larger.

    All formulas of :mod:`~mmseg_uncertainty.functional.scores` hold about any class; gap and spread are then negative.

    Args:
        chosen: Logit of the predicted class, shape (N, \*).
        other: Logit of the other, shape (N, \*).
        predicted: Name of the chosen class, shape (N, \*), int64.

    Examples:
        >>> from mmseg_uncertainty.functional import msp
        >>> foreground, background = torch.tensor([0.4]).log(), torch.tensor([0.6]).log()
        >>> msp(summarize_pair(foreground, background, predicted=torch.tensor([1])))  # about the class that was predicted
        tensor([0.6000])
    """
    chosen, other = (logit.to(torch.promote_types(logit.dtype, torch.float32)) for logit in (chosen, other))
    gap = (chosen - other).clamp_min(-MOST_NATS)
    rest = torch.exp(-gap)
    return ClassSummary(chosen, gap, rest, torch.where(rest > 0, gap * rest, torch.zeros_like(rest)), predicted)

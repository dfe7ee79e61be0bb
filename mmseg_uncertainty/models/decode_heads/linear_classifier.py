"""The classifier of a base model, for heads that apply it to other features or read its weights."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.functional.class_distributions import ClassDistribution
from mmseg_uncertainty.functional.class_summary import ClassSummary
from mmseg_uncertainty.models.bases import FrozenBase


class LinearClassifier:
    """A convolution that makes class scores of features; it stays a part of the base model.

    Args:
        base: The base model.
        owner: Who needs it, for the message.

    Raises:
        TypeError: The base model has no convolution as classifier.
    """

    def __init__(self, base: FrozenBase, owner: str) -> None:
        self.convolution: nn.Conv2d = base.conv_classifier(owner)
        self.distribution: ClassDistribution = base.distribution

    def __call__(self, features: Tensor) -> Tensor:
        """Class logits, shape (N, K, h', w'), of features (N, C, h, w)."""
        layer = self.convolution
        return self.distribution.class_logits(
            F.conv2d(features, layer.weight, layer.bias, layer.stride, layer.padding, layer.dilation, layer.groups))

    def summary(self, features: Tensor) -> ClassSummary:
        """Summary of the class logits of features (N, C, h, w)."""
        return self.distribution.summarize(self(features))

    def class_weights(self) -> Tensor:
        """Weights of the class logits, shape (K, C), those of a neighbourhood summed up; zero for a class without channel."""
        weight = self.convolution.weight.detach().sum(dim=(2, 3))
        return torch.cat([torch.zeros_like(weight), weight]) if len(weight) == 1 else weight

    def zero(self) -> Tensor:
        """The features of which constant maps are classified as zero, shape (C,), float64."""
        weight = self.convolution.weight.detach().double().sum(dim=(2, 3))
        bias = self.convolution.bias
        return -torch.linalg.pinv(weight) @ (weight.new_zeros(len(weight)) if bias is None else bias.detach().double())


class ReadsClassifier:
    """Part of heads that read the classifier of the base model, and therefore the features in front of it."""

    _classifier: LinearClassifier | None = None

    def bind(self, model: nn.Module) -> None:
        """Take the classifier of the base model; see :meth:`ScoreHead.bind`.

        Raises:
            TypeError: The base model has no convolution as classifier.
            ValueError: Another layer shall be read.
        """
        if self.features_from is not None:
            raise ValueError(f'{type(self).__name__} reads the features that the classifier reads, so '
                             f'features_from={self.features_from!r} has no place; leave it out.')
        self._classifier = LinearClassifier(model.base, type(self).__name__)
        super().bind(model)

    @property
    def classifier(self) -> LinearClassifier:
        """The classifier of the base model.

        Raises:
            RuntimeError: The head is not bound to a model.
        """
        if self._classifier is None:
            raise RuntimeError(f'{type(self).__name__} has no classifier yet; call bind(model) first.')
        return self._classifier

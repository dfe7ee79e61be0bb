"""Monte Carlo dropout in front of the classifier."""
from __future__ import annotations

import torch
from mmengine.logging import print_log
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.functional.sampled_predictions import MEASURES
from mmseg_uncertainty.models.utils import classifier_of
from mmseg_uncertainty.structures import MethodInfo

from .score_head import ScoreHead

DEFAULT_RATIO = 0.5


@MODELS.register_module()
class MCDropoutHead(ScoreHead):
    """Score by classifying the same features several times, each time without a random set of their channels.

    Only the classifier runs more than once. A dropped channel is a zero column of the classifier's weight, so all
    samples are one convolution and the features are read once. The masks come from a generator of fixed seed: the same
    input always gets the same score.

    Args:
        samples: Number of samples S; with ``measure='published'`` the first one drops nothing, as released.
        measure: Key of :data:`~mmseg_uncertainty.functional.sampled_predictions.MEASURES`.
        dropout_ratio: Share of channels to drop; ``None`` takes the ratio of the base model's decode head, and 0.5 where
            that has no dropout.
        seed: Seed of the masks.
        score_options: Options of :class:`ScoreHead`.

    Raises:
        ValueError: An option is out of range.
    """

    info = MethodInfo('Dropout as a Bayesian Approximation', 'Gal and Ghahramani', 2016, needs={'features'})

    def __init__(self,
                 samples: int = 32,
                 measure: str = 'entropy',
                 dropout_ratio: float | None = None,
                 seed: int = 0,
                 **score_options) -> None:
        super().__init__(**score_options)
        if measure not in MEASURES:
            raise ValueError(f'MCDropoutHead: measure={measure!r} is unknown; choose from {tuple(MEASURES)}.')
        if samples < 2 or (dropout_ratio is not None and not 0 < dropout_ratio < 1):
            raise ValueError(f'MCDropoutHead: samples={samples} must be at least 2 and dropout_ratio={dropout_ratio} '
                             'between 0 and 1.')
        self.samples, self.measure, self.dropout_ratio, self.seed = samples, measure, dropout_ratio, seed
        self._classifier: tuple[nn.Conv2d, ...] = ()

    def bind(self, decode_head: nn.Module) -> None:
        """Take the classifier and the dropout ratio of the base model; the segmentor calls this once.

        Args:
            decode_head: The base model's (last) decode head.

        Raises:
            TypeError: The decode head has no convolution ``conv_seg`` as classifier.
        """
        classifier = classifier_of(decode_head, type(self).__name__)
        self._classifier = (classifier, )
        if self.dropout_ratio is None:
            self.dropout_ratio = getattr(decode_head, 'dropout_ratio', 0) or DEFAULT_RATIO
            if not getattr(decode_head, 'dropout_ratio', 0):
                print_log(f'MCDropoutHead: {type(decode_head).__name__} was trained without dropout; adding one of ratio '
                          f'{DEFAULT_RATIO} in front of its classifier.', 'current')

    def sampled_probabilities(self, features: Tensor) -> Tensor:
        """Class probabilities of every sample.

        Args:
            features: Input of the classifier, shape (N, C, h, w).

        Returns:
            Shape (S, N, K, h, w).
        """
        if not self._classifier:
            raise RuntimeError('MCDropoutHead has no classifier yet; call bind(decode_head) first.')
        classifier, = self._classifier
        weight = torch.einsum('sc,kcij->skcij', self._masks(features), classifier.weight)
        bias = None if classifier.bias is None else classifier.bias.repeat(self.samples)
        logits = F.conv2d(features, weight.flatten(0, 1), bias, classifier.stride, classifier.padding,
                          classifier.dilation)
        return logits.unflatten(1, (self.samples, -1)).movedim(1, 0).softmax(dim=2)

    def _masks(self, features: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        draws = torch.rand(self.samples, features.shape[1], generator=generator)
        masks = (draws >= self.dropout_ratio).to(features) / (1 - self.dropout_ratio)
        if self.measure == 'published':
            masks[0] = 1
        return masks

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Score every pixel; see :meth:`ScoreHead.score`."""
        return MEASURES[self.measure](self.sampled_probabilities(features))

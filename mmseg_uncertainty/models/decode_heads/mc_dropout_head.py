"""Monte Carlo dropout in front of the classifier."""
from __future__ import annotations

import torch
from mmengine.logging import print_log
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.functional.class_distributions import SOFTMAX, ClassDistribution
from mmseg_uncertainty.functional.sampled_predictions import MEASURES
from mmseg_uncertainty.runtime.score_scale import ScoreScale, nats_scale, probability_scale
from mmseg_uncertainty.structures import GridOutputs, MethodInfo

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
        dropout_ratio: Share of channels to drop; ``None`` takes the ratio of the base model, and 0.5 where that was trained
            without dropout.
        seed: Seed of the masks.
        score_options: Options of :class:`ScoreHead`.

    Raises:
        ValueError: An option is out of range.
    """

    info = MethodInfo(
        'Dropout as a Bayesian Approximation', 'Gal and Ghahramani', 2016, needs={'features'},
        venue='ICML', url='https://arxiv.org/abs/1506.02142', unit='nats', meaning='more classes come into question')

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
        self._fixed_weights: tuple[Tensor, Tensor | None] | None = None

    def bind(self, model: nn.Module) -> None:
        """Take the classifier and the dropout ratio of the base model; see :meth:`ScoreHead.bind`.

        Raises:
            TypeError: The base model has no convolution as classifier.
        """
        self._classifier = (model.base.conv_classifier('MCDropoutHead'), )
        if self.dropout_ratio is None:
            self.dropout_ratio = model.base.dropout_ratio or DEFAULT_RATIO
            if not model.base.dropout_ratio:
                print_log(f'MCDropoutHead: the base model was trained without dropout; adding one of ratio {DEFAULT_RATIO} in '
                          'front of its classifier.', 'current')

    def sampled_probabilities(self, features: Tensor, distribution: ClassDistribution = SOFTMAX) -> Tensor:
        """Class probabilities of every sample.

        Args:
            features: Input of the classifier, shape (N, C, h, w).
            distribution: What the output of the classifier means.

        Returns:
            Shape (S, N, K, h, w).
        """
        if not self._classifier:
            raise RuntimeError('MCDropoutHead has no classifier yet; call bind(model) first.')
        classifier, = self._classifier
        weight, bias = self._weights(features) if self._fixed_weights is None else self._fixed_weights
        logits = F.conv2d(features, weight, bias, classifier.stride, classifier.padding,
                          classifier.dilation)
        batch, size = features.shape[0], logits.shape[2:]
        scores = logits.reshape(batch, self.samples, -1, *size).transpose(0, 1).reshape(self.samples * batch, -1, *size)
        return distribution.probabilities(distribution.class_logits(scores)).reshape(self.samples, batch, -1, *size)

    def fix_masks(self) -> None:
        """Draw the masks once and for all, as they are the same for every image: exporters know no seeds."""
        classifier, = self._classifier
        weight, bias = self._weights(classifier.weight[:1])
        self._fixed_weights = weight.detach(), None if bias is None else bias.detach()

    def _weights(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Weights and biases of the classifier without the channels that each sample drops, one sample after the other."""
        classifier, = self._classifier
        weight = torch.einsum('sc,kcij->skcij', self._masks(features), classifier.weight).flatten(0, 1)
        return weight, None if classifier.bias is None else classifier.bias.repeat(self.samples)

    def _masks(self, features: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        draws = torch.rand(self.samples, features.shape[1], generator=generator)
        masks = (draws >= self.dropout_ratio).to(features) / (1 - self.dropout_ratio)
        if self.measure == 'published':
            masks[0] = 1
        return masks

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Score every pixel; see :meth:`ScoreHead.score`."""
        return self.score_cells(GridOutputs(logits, features))

    def score_cells(self, outputs: GridOutputs) -> Tensor:
        """Score what the output means; see :meth:`ScoreHead.score_cells`."""
        distribution = outputs.distribution
        probabilities = distribution.sampled(self.sampled_probabilities(outputs.features, distribution))
        if self.measure == 'msp' and not distribution.predicts_likeliest:
            mean = probabilities.mean(dim=0)
            return 1 - mean.gather(1, distribution.choose(mean).unsqueeze(1)).squeeze(1)
        return MEASURES[self.measure](probabilities)

    def scale(self, num_classes: int) -> ScoreScale:
        """See :meth:`ScoreHead.scale`."""
        if self.measure == 'published':
            return ScoreScale('raw score', -1., -1 / num_classes)
        return probability_scale(num_classes) if self.measure == 'msp' else nats_scale(num_classes)

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
# Logits of all samples that lie in the cache of one core together: 2 MB.
BLOCK_LOGITS = 2**19


@MODELS.register_module()
class MCDropoutHead(ScoreHead):
    """Score by classifying the same features several times, each time without a random set of their channels.

    Only the classifier runs more than once. A dropped channel is a zero column of the classifier's weight, so all
    samples are one convolution and the features are read once, on a CPU in blocks of pixels that fit the cache. The masks
    come from a generator of fixed seed: the same input always gets the same score.

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
        return self._sampled(features, self._weights(features), distribution)

    def _sampled(self, features: Tensor, weights: tuple[Tensor, Tensor | None], distribution: ClassDistribution) -> Tensor:
        classifier, = self._classifier
        logits = F.conv2d(features, *weights, classifier.stride, classifier.padding, classifier.dilation)
        batch, size = features.shape[0], logits.shape[2:]
        scores = logits.reshape(batch, self.samples, -1, *size).transpose(0, 1).reshape(self.samples * batch, -1, *size)
        return distribution.probabilities(distribution.class_logits(scores)).reshape(self.samples, batch, -1, *size)

    def fix_masks(self) -> None:
        """Draw the masks once and for all, as they are the same for every image: exporters know no seeds."""
        classifier, = self._classifier
        weight, bias = self._weights(classifier.weight)
        self._fixed_weights = weight.detach(), None if bias is None else bias.detach()

    def _weights(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Weights and biases of the classifier without the channels that each sample drops, one sample after the other."""
        if not self._classifier:
            raise RuntimeError('MCDropoutHead has no classifier yet; call bind(model) first.')
        if self._fixed_weights is not None:
            return self._fixed_weights
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
        features, distribution = outputs.features, outputs.distribution
        weights = self._weights(features)
        if not self._takes_blocks(features):
            return self._measured(features, weights, distribution)
        pixels = max(BLOCK_LOGITS // (weights[0].shape[0] * features.shape[0]), 1)
        blocks = features.flatten(2).unsqueeze(2).split(pixels, dim=3)
        scores = torch.cat([self._measured(block, weights, distribution) for block in blocks], dim=2)
        return scores.view(-1, *features.shape[2:])

    def _takes_blocks(self, features: Tensor) -> bool:
        """Whether pixels come in blocks: where each has its own logits, on a CPU; exporters would write down every block."""
        classifier, = self._classifier
        single = classifier.kernel_size == classifier.stride == (1, 1) and not any(classifier.padding)
        return single and features.device.type == 'cpu' and self._fixed_weights is None

    def _measured(self, features: Tensor, weights: tuple[Tensor, Tensor | None], distribution: ClassDistribution) -> Tensor:
        probabilities = distribution.sampled(self._sampled(features, weights, distribution))
        if self.measure == 'msp' and not distribution.predicts_likeliest:
            mean = probabilities.mean(dim=0)
            return 1 - mean.gather(1, distribution.choose(mean).unsqueeze(1)).squeeze(1)
        return MEASURES[self.measure](probabilities)

    def scale(self, num_classes: int) -> ScoreScale:
        """See :meth:`ScoreHead.scale`."""
        if self.measure == 'published':
            return ScoreScale('raw score', -1., -1 / num_classes)
        return probability_scale(num_classes) if self.measure == 'msp' else nats_scale(num_classes)

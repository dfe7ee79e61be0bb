"""Base class of scores that compare features with those of a calibration set."""
from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.functional.compiled import is_compiling
from mmseg_uncertainty.models.fittable import Fittable
from mmseg_uncertainty.models.utils import classifier_of
from mmseg_uncertainty.structures import FrozenOutputs

from .score_head import ScoreHead


class FeatureScoreHead(ScoreHead, Fittable):
    """Score the features in front of the classifier by statistics of labelled features.

    Subclasses implement :meth:`allocate`, :meth:`add` and :meth:`score`.

    Args:
        num_classes: Classes K of the base model.
        feature_channels: Channels C of the features; ``None`` takes those of the classifier's input in :meth:`bind`.
        score_options: Options of :class:`ScoreHead`.
    """

    def __init__(self, num_classes: int, feature_channels: int | None = None, **score_options) -> None:
        super().__init__(**score_options)
        self.num_classes = num_classes
        self.classifier: tuple[nn.Module, ...] = ()
        self.feature_channels = None
        self.register_buffer('fitted', torch.tensor(False))
        if feature_channels is not None:
            self._allocate(feature_channels)

    def bind(self, decode_head: nn.Module) -> None:
        """Take the classifier of the base model; the segmentor calls this once, before weights are loaded.

        Args:
            decode_head: The base model's (last) decode head.

        Raises:
            TypeError: The decode head has no convolution ``conv_seg`` as classifier.
        """
        classifier = classifier_of(decode_head, type(self).__name__)
        self.classifier = (classifier, )
        if self.feature_channels is None:
            self._allocate(classifier.in_channels)

    def _allocate(self, channels: int) -> None:
        self.feature_channels = channels
        self.allocate(channels)

    @abstractmethod
    def allocate(self, channels: int) -> None:
        """Register the buffers for features of ``channels`` channels."""

    @abstractmethod
    def add(self, features: Tensor, labels: Tensor, outputs: FrozenOutputs, metas: list[dict]) -> None:
        """Add features (N, h, w, C) with labels (N, h, w); labels outside [0, K) do not count."""

    def update(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> None:
        """Add one batch; labels are read at the centres of the features' cells."""
        if outputs.features is None:
            raise ValueError(f'{type(self).__name__} needs the features in front of the base model\'s classifier, and '
                             'this base model yields none; remove this head from the config.')
        features = outputs.features.movedim(1, -1)
        native = F.interpolate(labels[:, None].double(), size=features.shape[1:3], mode='nearest-exact')[:, 0].long()
        self.add(features, native, outputs, metas)

    def check_fitted(self) -> None:
        """Raise unless the head was fitted or loaded."""
        if not is_compiling() and not self.fitted:
            raise RuntimeError(f'{type(self).__name__} was not fitted: run tools/train.py with a config whose train_cfg '
                               'is a CalibrationLoop, or load a fitted checkpoint.')

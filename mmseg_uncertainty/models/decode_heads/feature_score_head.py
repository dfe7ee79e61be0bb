"""Base class of scores that compare features with those of a calibration set."""
from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from mmseg_uncertainty.functional.compiled import is_compiling
from mmseg_uncertainty.models.fittable import Fittable
from mmseg_uncertainty.structures import FrozenOutputs, GridOutputs

from .score_head import ScoreHead


class FeatureScoreHead(ScoreHead, Fittable):
    """Score the features in front of the classifier by statistics of labelled features.

    Subclasses implement :meth:`allocate`, :meth:`add` and :meth:`score`.

    Args:
        num_classes: Classes K of the base model.
        feature_channels: Channels C of the features; ``None`` asks the base model in :meth:`bind`.
        features_from: Layer of the base model that is read in the place of the input of its classifier: ``'LAYER'`` for what
            enters it, ``'LAYER:output'`` for what leaves it, ``'LAYER:keys'`` for the keys of an attention. All layers that
            heads name are read in the one pass; maps are scored at their own size, then resized.
        score_options: Options of :class:`ScoreHead`.
    """

    def __init__(self, num_classes: int, feature_channels: int | None = None, features_from: str | None = None,
                 **score_options) -> None:
        super().__init__(**score_options)
        self.num_classes = num_classes
        self.feature_channels, self.features_from = None, features_from
        self.register_buffer('fitted', torch.tensor(False))
        if feature_channels is not None:
            self._allocate(feature_channels)

    def bind(self, model: nn.Module) -> None:
        """Take the width of the features; see :meth:`ScoreHead.bind`.

        Raises:
            TypeError: The base model has no classifier that says how wide its input is.
            ValueError: ``features_from`` leads nowhere, or to a layer that does not say how wide it is.
        """
        if self.features_from is not None:
            width = model.base.layer_channels(self.features_from, type(self).__name__)
            if self.feature_channels is None and width is None:
                raise ValueError(f'{type(self).__name__}: how many channels features_from={self.features_from!r} has cannot be '
                                 'seen from the layer; say feature_channels.')
            if self.feature_channels is None:
                self._allocate(width)
        elif self.feature_channels is None:
            if model.base.feature_channels is None:
                raise TypeError(f'{type(self).__name__} needs the features in front of a classifier, and the base model has '
                                'none. Name a layer with features_from (and feature_channels of this head), or remove it.')
            self._allocate(model.base.feature_channels)

    def _allocate(self, channels: int) -> None:
        self.feature_channels = channels
        self.allocate(channels)

    @abstractmethod
    def allocate(self, channels: int) -> None:
        """Register the buffers for features of ``channels`` channels."""

    @abstractmethod
    def add(self, features: Tensor, labels: Tensor, cells: GridOutputs, metas: list[dict]) -> None:
        """Add one window.

        Args:
            features: Shape (N, h, w, C).
            labels: Shape (N, h, w); labels outside [0, K), among them those of padding, do not count.
            cells: All that the base model says in the window.
            metas: ``metainfo`` of each image.
        """

    def update(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> None:
        """Add one batch, window by window; labels are read at the centres of the features' cells."""
        for window in outputs.windows:
            cells = window.at_layer(self.features_from)
            if cells.features is None:
                raise ValueError(f'{type(self).__name__} needs the features in front of the base model\'s classifier, and '
                                 'this base model yields none; remove this head from the config.')
            if cells.features.shape[1] != self.feature_channels:
                raise ValueError(f'{type(self).__name__}: the features have {cells.features.shape[1]} channels, expected '
                                 f'feature_channels={self.feature_channels}; set it to the former.')
            self.add(cells.features.movedim(1, -1), cells.labels(labels), cells, metas)

    def labelled(self, labels: Tensor) -> Tensor:
        """Which labels are classes, same shape, bool."""
        return (labels >= 0) & (labels < self.num_classes)

    def check_labelled(self, cells: int) -> None:
        """Raise unless features of labelled pixels were added.

        Args:
            cells: How many.
        """
        if not cells:
            raise ValueError(f'{type(self).__name__}: no feature of the calibration images lies under a labelled pixel, so there '
                             'is nothing to fit on. Check their label files and the label map.')

    def check_fitted(self) -> None:
        """Raise unless the head was fitted or loaded."""
        if not is_compiling() and not self.fitted:
            raise RuntimeError(f'{type(self).__name__} was not fitted: run tools/train.py with a config whose train_cfg '
                               'is a CalibrationLoop, or load a fitted checkpoint.')

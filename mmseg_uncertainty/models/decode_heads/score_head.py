"""Base class of everything that maps a frozen model's outputs to one uncertainty map."""
from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.runtime.score_scale import ScoreScale
from mmseg_uncertainty.structures import GridOutputs, MethodInfo

RESOLUTIONS = ('output', 'native')


class ScoreHead(BaseModule, metaclass=ABCMeta):
    """Map class logits, and features where needed, to one uncertainty map; higher is more uncertain.

    Subclasses set :attr:`info` and implement :meth:`score`, or :meth:`score_cells` where they read more than logits and
    features. :meth:`scale` says what the numbers mean.

    Args:
        resolution: ``'output'`` scores the logits after they were brought to output size, which is the field's
            convention; ``'native'`` scores them where the classifier computes them and resizes the map instead. Heads
            that need features always run natively.
        filters: Configs of score filters (``models/filters``), applied to the map in this order.
        init_cfg: See :class:`mmengine.model.BaseModule`.
    """

    info: ClassVar[MethodInfo]
    # Layer of the base model that is read in the place of the input of its classifier.
    features_from: str | None = None
    # Names of the heads whose maps are all that this one reads.
    members: tuple[str, ...] = ()
    # Names of the heads whose scores are inputs of this one.
    evidence: tuple[str, ...] = ()
    without_features: ClassVar[str] = 'remove this head or choose one that needs logits only'

    def __init__(self,
                 resolution: str = 'output',
                 filters: Sequence[dict] = (),
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if resolution not in RESOLUTIONS:
            raise ValueError(f'{type(self).__name__}: resolution={resolution!r} is unknown; choose from {RESOLUTIONS}.')
        self.resolution = 'native' if self.needs_features else resolution
        self.filters = nn.ModuleList(MODELS.build(config) for config in filters)

    @property
    def needs_features(self) -> bool:
        """Whether :meth:`score` reads the input of the base model's classifier."""
        return 'features' in self.info.needs

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that are read besides the classifier."""
        return () if self.features_from is None else (self.features_from, )

    @abstractmethod
    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Score every pixel.

        Args:
            logits: Class logits, shape (N, K, h, w).
            features: Input of the classifier, shape (N, C, h, w), or ``None``.

        Returns:
            Shape (N, h, w), raw units, higher is more uncertain.
        """

    def score_cells(self, outputs: GridOutputs) -> Tensor:
        """Score every cell from all that the base model says there; shape (N, h, w)."""
        return self.score(outputs.logits, outputs.features)

    def scale(self, num_classes: int) -> ScoreScale:
        """Unit, range and natural threshold of the score for a model of K classes."""
        return ScoreScale(self.info.unit)

    def scale_in_words(self, num_classes: int) -> ScoreScale:
        """The scale with what a high score says, for pictures and exported files."""
        return replace(self.scale(num_classes), meaning=self.info.meaning)

    def bind(self, model: nn.Module) -> None:
        """Learn from the segmentor that holds the base model what the head must know; called once, before weights load."""

    def forward(self, logits: Tensor | GridOutputs, features: Tensor | None = None) -> Tensor:
        """Score every pixel and apply the filters; shapes as in :meth:`score`.

        Args:
            logits: Class logits, shape (N, K, h, w), or everything that the base model says.
            features: Input of the classifier, shape (N, C, h, w), or ``None``.

        Raises:
            ValueError: The head needs features and the base model has none.
        """
        outputs = logits if isinstance(logits, GridOutputs) else GridOutputs(logits, features)
        cells = outputs.at_layer(self.features_from)
        if self.needs_features and cells.features is None:
            raise ValueError(f'{type(self).__name__} needs features, but the base model has no classifier layer whose input '
                             f'could serve; name one with features_from, or {self.without_features}.')
        score, size = self.score_cells(cells), outputs.logits.shape[-2:]
        if self.features_from is not None and score.shape[-2:] != size:
            score = F.interpolate(score[:, None], size=size, mode='bilinear', align_corners=outputs.align_corners)[:, 0]
        return self.filtered(score, outputs)

    def filtered(self, score: Tensor, outputs: GridOutputs) -> Tensor:
        """Apply the filters to a map, shape (N, h, w), of these outputs."""
        for score_filter in self.filters:
            score = score_filter(score, outputs.classes)
        return score

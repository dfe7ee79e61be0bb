"""What the frozen model says at the cells of one grid."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.functional.class_distributions import SOFTMAX, ClassDistribution
from mmseg_uncertainty.functional.class_summary import ClassSummary
from mmseg_uncertainty.functional.ensembles import EnsembleStatistics
from mmseg_uncertainty.label_values import VOID

from .grid import Grid


@dataclass(frozen=True)
class GridOutputs:
    """Everything a score head may read, for N maps of one size.

    Args:
        logits: Class logits, shape (N, K, h, w).
        features: Input of the classifier, shape (N, C, h, w), or ``None``.
        grids: Where the cells lie, one grid per map; empty where they cover the whole image without padding.
        predicted: Predicted classes, shape (N, h, w); ``None`` takes those of the summary.
        distribution: What the logits mean.
        members: What the members of an ensemble say, or ``None``.
        layers: Maps of other layers by name, shape (N, C, h', w') each, of sizes of their own.
    """

    logits: Tensor
    features: Tensor | None = None
    grids: tuple[Grid, ...] = ()
    predicted: Tensor | None = None
    distribution: ClassDistribution = SOFTMAX
    members: EnsembleStatistics | None = None
    layers: Mapping[str, Tensor] = field(default_factory=dict)
    _summaries: dict[float, ClassSummary] = field(default_factory=dict, init=False, repr=False, compare=False)
    _scores: dict[Callable, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    def summary(self, temperature: float = 1.0) -> ClassSummary:
        """Summary of ``logits / temperature`` about the predicted class, gathered once for all who ask."""
        if temperature not in self._summaries:
            logits = self.logits if temperature == 1 else self.logits / temperature
            self._summaries[temperature] = self.distribution.summarize(logits, self.predicted)
        return self._summaries[temperature]

    def score(self, head: Callable[[GridOutputs], Tensor]) -> Tensor:
        """Map of a head on these cells, shape (N, h, w), computed once for all who ask."""
        if head not in self._scores:
            self._scores[head] = head(self)
        return self._scores[head]

    def at_layer(self, name: str | None) -> GridOutputs:
        """The outputs at the cells of another layer, whose map takes the place of the features; ``None`` changes nothing.

        Raises:
            ValueError: The layer was not read.
        """
        if name is None:
            return self
        if name not in self.layers:
            raise ValueError(f'The layer {name!r} was not read in this pass, only {sorted(self.layers)}; pass outputs of a '
                             'PosthocSegmentor that holds the head.')
        features = self.layers[name]
        size = features.shape[2:]
        logits = F.interpolate(self.logits, size=size, mode='bilinear', align_corners=self.align_corners)
        grids = tuple(grid.over(size) for grid in self.grids)
        return replace(self, logits=logits, features=features, grids=grids, predicted=None, members=None, layers={})

    @property
    def classes(self) -> Tensor:
        """Predicted classes, shape (N, h, w), int64."""
        if self.predicted is not None:
            return self.predicted.long()
        if self.distribution.predicts_likeliest:
            return self.logits.argmax(dim=1)
        return self.distribution.choose(self.distribution.probabilities(self.logits))

    @property
    def align_corners(self) -> bool:
        """How maps on these cells are resized."""
        return bool(self.grids) and self.grids[0].align_corners

    @property
    def valid(self) -> Tensor | None:
        """Whether a cell lies in the image, shape (N, 1, h, w), bool; ``None`` where all do."""
        if not any(grid.is_padded for grid in self.grids):
            return None
        return torch.stack([grid.valid(self.logits.device) for grid in self.grids]).unsqueeze(1)

    def labels(self, labels: Tensor, outside: int = VOID) -> Tensor:
        """Labels at the centres of the cells; see :meth:`Grid.labels`.

        Args:
            labels: Shape (N, H, W).
            outside: Label of cells in the padding.

        Returns:
            Shape (N, h, w).
        """
        size = tuple(self.logits.shape[-2:])
        grids = self.grids or [Grid.of_input(labels.shape[-2:], {}, False).over(size)] * len(labels)
        return torch.stack([grid.labels(label, outside) for grid, label in zip(grids, labels, strict=True)])

    def image_features(self) -> tuple[Tensor, Tensor]:
        """Sums of the features over the cells in the image, shape (N, C), float64, and numbers of these cells, shape (N,).

        Raises:
            ValueError: There are no features.
        """
        if self.features is None:
            raise ValueError('The base model yields no features, since it has no layer whose input could serve; name one with '
                             'features_from, or choose a method that needs logits only.')
        features, valid = self.features.double(), self.valid
        if valid is None:
            return features.sum(dim=(2, 3)), torch.ones_like(features[:, 0]).sum(dim=(1, 2))
        return (features * valid).sum(dim=(2, 3)), valid.sum(dim=(1, 2, 3)).double()

    def of(self, index: int) -> GridOutputs:
        """The map of one image, N = 1."""
        part = slice(index, index + 1)
        members = None if self.members is None else self.members.of(index)
        return replace(self, logits=self.logits[part], features=None if self.features is None else self.features[part],
                       grids=self.grids[part], predicted=None if self.predicted is None else self.predicted[part],
                       members=members, layers={name: values[part] for name, values in self.layers.items()})


def stack_grids(parts: Sequence[GridOutputs]) -> GridOutputs:
    """Maps of one size, one after the other."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    joined = {name: None if getattr(first, name) is None else torch.cat([getattr(part, name) for part in parts])
              for name in ('logits', 'features', 'predicted')}
    grids = sum((part.grids for part in parts), ())
    members = None if first.members is None else EnsembleStatistics.joined([part.members for part in parts])
    layers = {name: torch.cat([part.layers[name] for part in parts]) for name in first.layers}
    return replace(first, **joined, grids=grids, members=members, layers=layers)

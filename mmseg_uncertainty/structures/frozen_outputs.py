"""What one pass through the frozen model yields for fitting and calibration."""
from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import Tensor

from mmseg_uncertainty.functional.class_distributions import SOFTMAX, ClassDistribution

from .grid import Grid
from .grid_outputs import GridOutputs, stack_grids


class FrozenOutputs:
    """Outputs of the frozen base model for N images; everything that is fitted or calibrated reads from here.

    Args:
        logits: Class logits at output size, shape (N, K, H, W). While fitting, output size is the size of the labels.
        native_logits: Class logits where the classifier computes them, shape (N, K, h, w).
        features: Input of the classifier, shape (N, C, h, w); ``None`` where the base model yields none.
        images: Preprocessed network input, shape (N, 3, H', W').
        windows: Native outputs of every window, each with N maps; takes the place of ``native_logits`` and ``features``.
        grids: Where the pixels of the network input lie, one grid per image.
        predicted: Predicted classes, shape (N, H, W); ``None`` takes the arg-max.
        distribution: What the logits mean.
        feature_means: Mean feature of each image, shape (N, C), float64; ``None`` where it has to be taken from the windows.
        head_maps: Maps of native heads at output size by name, shape (N, H, W), where they are known already.
    """

    def __init__(self,
                 logits: Tensor,
                 native_logits: Tensor | None = None,
                 features: Tensor | None = None,
                 images: Tensor | None = None,
                 windows: Sequence[GridOutputs] = (),
                 grids: Sequence[Grid] = (),
                 predicted: Tensor | None = None,
                 distribution: ClassDistribution = SOFTMAX,
                 feature_means: Tensor | None = None,
                 head_maps: Mapping[str, Tensor] = MappingProxyType({})) -> None:
        self.logits, self.images, self.grids = logits, images, tuple(grids)
        self.predicted, self.distribution, self.feature_means = predicted, distribution, feature_means
        self.head_maps = head_maps
        own = (GridOutputs(native_logits, features, distribution=distribution), ) if native_logits is not None else ()
        self.windows = tuple(windows) or own

    def with_logits(self, logits: Tensor) -> FrozenOutputs:
        """The same outputs with other logits, such as calibrated ones."""
        other = copy.copy(self)
        other.logits = logits
        return other

    @property
    def native_logits(self) -> Tensor | None:
        """Logits where the classifier works, those of all windows one after the other, shape (N W, K, h, w)."""
        return stack_grids(self.windows).logits if self.windows else None

    @property
    def features(self) -> Tensor | None:
        """Input of the classifier, that of all windows one after the other, shape (N W, C, h, w)."""
        return stack_grids(self.windows).features if self.windows else None

    @property
    def output(self) -> GridOutputs:
        """The logits as score heads read them."""
        return GridOutputs(self.logits, predicted=self.predicted, distribution=self.distribution)

    def image_features(self) -> Tensor:
        """Mean of the features over the cells that lie in the image, over all windows, shape (N, C), float64.

        Raises:
            ValueError: The base model yields no features.
        """
        if self.feature_means is not None:
            return self.feature_means
        sums, counts = zip(*(window.image_features() for window in self.windows))
        return sum(sums) / sum(counts).clamp_min(1).unsqueeze(1)

    def with_labels(self, labels: Tensor) -> tuple[GridOutputs, GridOutputs, Tensor]:
        """Native outputs beside logits and labels of the same places, for losses that bring scores to the labels.

        Args:
            labels: Shape (N, H, W), of the size of the logits.

        Returns:
            Native outputs of W windows (N W maps), outputs at the size of the labels (N W maps), labels (N W, a, b).

        Raises:
            ValueError: Several windows, and labels that do not have the size of the input.
        """
        if len(self.windows) == 1:
            return self.windows[0], self.output, labels
        for grid in self.grids:
            if grid.input_size != tuple(labels.shape[-2:]):
                raise ValueError(f'Labels of {tuple(labels.shape[-2:])} pixels cannot be cut into the windows of an input of '
                                 f'{grid.input_size}. Load labels before the transforms that resize the image.')
        parts = [(..., *window.grids[0].window.slices) for window in self.windows]
        predicted = self.output.classes
        output = replace(self.output, logits=torch.cat([self.logits[part] for part in parts]),
                         predicted=torch.cat([predicted[part] for part in parts]))
        return stack_grids(self.windows), output, torch.cat([labels[part] for part in parts])


def stack_outputs(outputs: Sequence[FrozenOutputs]) -> FrozenOutputs:
    """Outputs of images whose maps have the same sizes, one after the other."""
    if len(outputs) == 1:
        return outputs[0]
    joined = {name: None if getattr(outputs[0], name) is None else torch.cat([getattr(one, name) for one in outputs])
              for name in ('logits', 'images', 'predicted', 'feature_means')}
    windows = tuple(stack_grids(parts) for parts in zip(*(one.windows for one in outputs), strict=True))
    grids = sum((one.grids for one in outputs), ())
    return FrozenOutputs(**joined, windows=windows, grids=grids, distribution=outputs[0].distribution)

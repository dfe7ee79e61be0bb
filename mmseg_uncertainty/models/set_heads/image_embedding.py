"""What prediction sets that adapt read of a whole image."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmseg_uncertainty.functional.image_embeddings import brightness_statistics, class_shares, confidence_statistics
from mmseg_uncertainty.structures import FrozenOutputs

PARTS = ('confidence', 'brightness', 'classes', 'features')


class ImageEmbedding:
    """A few numbers per image, none of which needs a label.

    Args:
        parts: Out of :data:`PARTS`: doubts of the model (3 numbers), brightness of the channels (6), shares of the predicted
            classes (K), mean of the features (as many as they have channels).
        num_classes: K.

    Raises:
        ValueError: A part is unknown.
    """

    def __init__(self, parts: Sequence[str], num_classes: int) -> None:
        self.parts, self.num_classes = tuple(dict.fromkeys([parts] if isinstance(parts, str) else parts)), num_classes
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown or not self.parts:
            raise ValueError(f'embedding={tuple(parts)!r}: expected some of {PARTS}.')

    @property
    def needs_features(self) -> bool:
        """Whether the input of the classifier is read."""
        return 'features' in self.parts

    @property
    def size(self) -> int | None:
        """How many numbers; ``None`` with features, whose number the base model decides."""
        sizes = dict(confidence=3, brightness=6, classes=self.num_classes)
        return None if self.needs_features else sum(sizes[part] for part in self.parts)

    def __call__(self, outputs: FrozenOutputs, probabilities: Tensor) -> Tensor:
        """Embed images.

        Args:
            outputs: What the model says of N images.
            probabilities: Class probabilities as the sets read them, shape (N, K, H, W).

        Returns:
            Shape (N, D), float64, on the host.

        Raises:
            ValueError: The images or features that it reads are not at hand.
        """
        return torch.cat([getattr(self, f'_{part}')(outputs, probabilities) for part in self.parts], dim=1).cpu()

    def _confidence(self, outputs: FrozenOutputs, probabilities: Tensor) -> Tensor:
        return confidence_statistics(probabilities)

    def _classes(self, outputs: FrozenOutputs, probabilities: Tensor) -> Tensor:
        predicted = probabilities.argmax(dim=1) if outputs.predicted is None else outputs.predicted
        return class_shares(predicted, self.num_classes)

    def _brightness(self, outputs: FrozenOutputs, probabilities: Tensor) -> Tensor:
        if outputs.images is None:
            raise ValueError("embedding: 'brightness' reads the image, which is not at hand here; leave it out.")
        images = outputs.images.split(1)
        contents = [grid.to_content(image) for grid, image in zip(outputs.grids, images)] if outputs.grids else images
        return torch.cat([brightness_statistics(content) for content in contents])

    def _features(self, outputs: FrozenOutputs, probabilities: Tensor) -> Tensor:
        return outputs.image_features().double()

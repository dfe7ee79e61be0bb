"""What one run of the frozen model gives for one image."""
from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .grid_outputs import GridOutputs
from .map_on_grid import MapOnGrid


@dataclass(frozen=True)
class ImageOutputs:
    """Maps of one image that know where they lie.

    Args:
        scores: Output of the base model, merged over windows, at the size of the network input, shape (1, C, H', W').
        image: The network input, shape (1, 3, H', W').
        head_maps: Maps of the native heads, merged over windows, at the size of the network input, shape (1, M, H', W').
        windows: Logits and features where the classifier works, for each window; empty unless they were asked for.
        feature_means: Mean feature of the image, shape (1, C), float64; ``None`` unless it was asked for.
    """

    scores: MapOnGrid
    image: MapOnGrid
    head_maps: MapOnGrid | None = None
    windows: tuple[GridOutputs, ...] = ()
    feature_means: Tensor | None = None

"""Colours laid over an image."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps

from .uncertainty_figure import colour

HEAT_MAP = 'inferno'


def overlay_classes(image: np.ndarray,
                    labels: np.ndarray,
                    palette: Sequence[Sequence[int]],
                    opacity: float = 0.5) -> np.ndarray:
    """Lay the colours of a label map over an image.

    Args:
        image: Shape (H, W, 3), uint8, RGB.
        labels: Shape (H, W).
        palette: Colours of the classes, RGB from 0 to 255.
        opacity: Weight of the colours, from 0 to 1.

    Returns:
        Shape (H, W, 3), uint8, RGB.
    """
    return _blend(image, colour(labels, palette), opacity)


def overlay_scores(image: np.ndarray,
                   scores: np.ndarray,
                   limits: tuple[float, float] | None = None,
                   opacity: float = 0.6) -> np.ndarray:
    """Lay an uncertainty map over an image, from dark (certain) to bright (uncertain).

    Args:
        image: Shape (H, W, 3), uint8, RGB.
        scores: Shape (H, W).
        limits: Ends of the colour scale; by default the 1st and 99th percentile of the map.
        opacity: Weight of the colours, from 0 to 1.

    Returns:
        Shape (H, W, 3), uint8, RGB.
    """
    low, high = limits or np.percentile(scores, (1, 99))
    scaled = np.clip((scores - low) / max(high - low, np.finfo(np.float32).tiny), 0, 1)
    return _blend(image, colormaps[HEAT_MAP](scaled, bytes=True)[..., :3], opacity)


def _blend(image: np.ndarray, colours: np.ndarray, opacity: float) -> np.ndarray:
    return np.rint((1 - opacity) * image + opacity * colours).astype(np.uint8)

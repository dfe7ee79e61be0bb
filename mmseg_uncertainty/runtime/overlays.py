"""Colours laid over an image."""
from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from matplotlib import colormaps

HEAT_MAP, VOID_COLOUR = 'inferno', (0, 0, 0)
ROWS_AT_ONCE, OUTLINES = 512, 600


def colour(labels: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Paint a label map.

    Args:
        labels: Shape (H, W); values without a colour are void.
        palette: Colours of the classes, RGB from 0 to 255.

    Returns:
        Shape (H, W, 3), uint8; void is black.
    """
    table = np.zeros((256, 3), np.uint8)
    table[:] = VOID_COLOUR
    table[:len(palette)] = palette
    return table[labels.astype(np.uint8)]


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
    return _blend(image, labels, lambda rows: colour(rows, palette), opacity)


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
    width = max(high - low, np.finfo(np.float32).tiny)

    def heat(rows: np.ndarray) -> np.ndarray:
        return colormaps[HEAT_MAP](np.clip((rows - low) / width, 0, 1), bytes=True)[..., :3]

    return _blend(image, scores, heat, opacity)


def outline_flags(image: np.ndarray, flags: np.ndarray, colour: Sequence[int] = (255, 0, 160)) -> np.ndarray:
    """Draw the outlines of flagged pixels into an image.

    Args:
        image: Shape (H, W, 3), uint8, RGB.
        flags: Shape (H, W), bool.
        colour: RGB from 0 to 255.

    Returns:
        Shape (H, W, 3), uint8, RGB: flagged pixels next to others are coloured, lines being a pixel wide for every
        600 pixels of the longer side.
    """
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    width = max(1, round(max(flags.shape) / OUTLINES))
    inner = cv2.erode(flags.astype(np.uint8), cross, iterations=width, borderValue=1).astype(bool)
    drawn = image.copy()
    drawn[flags & ~inner] = colour
    return drawn


def _blend(image: np.ndarray, values: np.ndarray, paint: Callable[[np.ndarray], np.ndarray], opacity: float) -> np.ndarray:
    blended = np.empty_like(image)
    for start in range(0, len(image), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        blended[rows] = np.rint((1 - opacity) * image[rows] + opacity * paint(values[rows]))
    return blended

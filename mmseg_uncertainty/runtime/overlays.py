"""Colours laid over an image."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import cv2
import numpy as np

# Both brighten steadily, so that they can be read in grey and by people who see few colours.
HEAT_MAP, SET_SIZE_MAP, VOID_COLOUR = 'inferno', 'viridis', (0, 0, 0)
ROWS_AT_ONCE, OUTLINES = 512, 600


def colour(labels: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Paint a label map.

    Args:
        labels: Shape (H, W); values without a colour are void.
        palette: Colours of the classes, RGB from 0 to 255.

    Returns:
        Shape (H, W, 3), uint8; void is black.
    """
    table = np.full((max(256, len(palette)), 3), VOID_COLOUR, np.uint8)
    table[:len(palette)] = palette
    return _looked_up(labels.astype(np.uint8), table) if len(table) == 256 else table[labels]


@lru_cache(maxsize=4)
def colour_table(name: str = HEAT_MAP) -> np.ndarray:
    """The 256 colours of a colour map from its lower to its upper end, shape (256, 3), uint8."""
    from matplotlib import colormaps  # which who draws nothing does not wait for
    return colormaps[name](np.arange(256), bytes=True)[:, :3]


def heat(values: np.ndarray, limits: tuple[float, float], table: np.ndarray | None = None) -> np.ndarray:
    """Paint a map of numbers from dark (certain) to bright (uncertain).

    Args:
        values: Shape (H, W).
        limits: Ends of the colour scale; what lies outside gets the colour of the end.
        table: Colours, shape (256, 3), by default those of uncertainty.

    Returns:
        Shape (H, W, 3), uint8, RGB.
    """
    low, high = limits
    width = max(high - low, np.finfo(np.float32).tiny)
    cells = np.clip((values - low) / width * 256, 0, 255).astype(np.uint8)
    return _looked_up(cells, colour_table() if table is None else table)


def _looked_up(cells: np.ndarray, table: np.ndarray) -> np.ndarray:
    """``table[cells]`` of 256 colours, twelve times as fast."""
    return cv2.applyColorMap(cells, table[:, None])


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
    return _blend(image, scores, lambda rows: heat(rows, (low, high)), opacity)


def outline_flags(image: np.ndarray, flags: np.ndarray, part: int = OUTLINES) -> np.ndarray:
    """Draw the outlines of flagged pixels into an image: white lines with black edges, which stand out from every colour.

    Args:
        image: Shape (H, W, 3), uint8, RGB.
        flags: Shape (H, W), bool.
        part: Pixels of the longer side for every pixel of the width of a line.

    Returns:
        Shape (H, W, 3), uint8, RGB: flagged pixels next to others are white, and what surrounds these lines is black.
    """
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    width, drawn = max(1, round(max(flags.shape) / part)), image.copy()
    # The border of the image is no border of what is flagged.
    inner = cv2.erode(flags.astype(np.uint8), cross, iterations=width, borderValue=1)
    line = flags & (inner == 0)
    drawn[cv2.dilate(line.astype(np.uint8), cross, iterations=width) > 0] = 0
    drawn[line] = 255
    return drawn


def _blend(image: np.ndarray, values: np.ndarray, paint: Callable[[np.ndarray], np.ndarray], opacity: float) -> np.ndarray:
    blended = np.empty_like(image)
    for start in range(0, len(image), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        blended[rows] = cv2.addWeighted(image[rows], 1 - opacity, paint(values[rows]), opacity, 0)
    return blended

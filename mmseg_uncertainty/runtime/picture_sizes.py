"""Maps of any size brought to that of a picture."""
from __future__ import annotations

import cv2
import numpy as np

# Parts of the longer side that gaps between flagged pixels may have, and of the picture that a region has at least.
GAPS, SPECK = 300, 2e-4


def fitted_size(size: tuple[int, int], least: int, most: int) -> tuple[int, int]:
    """Height and width of a picture whose longer side lies between two bounds.

    Args:
        size: Height and width of the image.
        least: Pixels that the longer side has at least; small images grow.
        most: Pixels that it has at most.

    Examples:
        >>> fitted_size((3000, 4000), least=1000, most=2000), fitted_size((37, 53), least=1000, most=2000)
        ((1500, 2000), (698, 1000))
    """
    longer = max(size)
    scale = min(max(longer, least), most) / longer
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def shrunk(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image or a map of scores, (H, W) or (H, W, 3), brought to a size: averaged where it shrinks, in squares where it grows."""
    if values.shape[:2] == tuple(size):
        return values
    smaller = size[0] * size[1] < values.shape[0] * values.shape[1]
    # Two samples in a row and in a column of a cell say as much as all for a picture, and large maps are mostly read.
    step = max(min(old // new for old, new in zip(values.shape, size)) // 2, 1)
    values = values[::step, ::step]
    return cv2.resize(np.ascontiguousarray(values), size[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_NEAREST)


def picked(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map of classes or counts, (H, W), brought to a size without mixing its values."""
    if values.shape == tuple(size):
        return values
    rows, columns = (((np.arange(new) + 0.5) * old / new).astype(int) for old, new in zip(values.shape, size))
    return values.take(rows, axis=0).take(columns, axis=1)


def joined(flags: np.ndarray) -> np.ndarray:
    """Flags, (H, W), as regions that can be outlined: narrow gaps are closed, and specks left out."""
    width = max(max(flags.shape) // GAPS, 1)
    cell = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    closed = cv2.morphologyEx(flags.astype(np.uint8), cv2.MORPH_CLOSE, cell)
    count, parts, boxes, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    large = boxes[:, cv2.CC_STAT_AREA] >= SPECK * flags.size
    large[0] = False
    # Four times as fast as an index.
    return np.take(large, parts) if count > 1 else closed.astype(bool)


def covered(flags: np.ndarray, size: tuple[int, int], share: int = 4) -> np.ndarray:
    """Flags, (H, W), brought to a size: set where at least one out of ``share`` pixels is."""
    return shrunk(flags.astype(np.uint8) * 255, size) >= 255 // share


def grown(flags: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Regions, (H, W), bool, brought to a larger size with smooth edges."""
    return cv2.resize(flags.astype(np.uint8) * 255, size[::-1], interpolation=cv2.INTER_LINEAR) > 127

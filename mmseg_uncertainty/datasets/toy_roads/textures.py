"""Noise for surfaces, made of whole numbers and exact arithmetic so that every machine draws the same."""
from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

TILE = 256


def smooth_noise(rng: np.random.Generator, size: tuple[int, int], cell: int) -> np.ndarray:
    """Noise whose features are about ``cell`` pixels large.

    Returns:
        Shape ``size``, float32, from −1 to 1.
    """
    rows, columns = -(-size[0] // cell) + 1, -(-size[1] // cell) + 1
    coarse = rng.integers(0, 256, (rows, columns), dtype=np.uint8)
    fine = cv2.resize(coarse, (columns * cell, rows * cell), interpolation=cv2.INTER_LINEAR_EXACT)
    return fine[:size[0], :size[1]].astype(np.float32) / 127.5 - 1


@lru_cache(maxsize=None)
def noise_tile(cell: int) -> np.ndarray:
    """A fixed tile of noise, shape (256, 256), float32, from −1 to 1, features about ``cell`` pixels large."""
    rng = np.random.default_rng([20240229, cell])
    tile = sum(smooth_noise(rng, (TILE, TILE), max(cell // scale, 1)) / scale for scale in (1, 2, 4))
    tile = (tile / np.abs(tile).max()).astype(np.float32)
    tile.setflags(write=False)
    return tile


def look_up(tile: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Values of a tile at real-valued positions, repeated without end."""
    return tile[np.floor(rows).astype(np.int64) & (TILE - 1), np.floor(columns).astype(np.int64) & (TILE - 1)]


def patch(rng: np.random.Generator, size: tuple[int, int], cell: int) -> np.ndarray:
    """A random cut of a fixed tile, shape ``size``."""
    row, column = rng.integers(0, TILE, 2)
    rows = np.arange(row, row + size[0]) & (TILE - 1)
    columns = np.arange(column, column + size[1]) & (TILE - 1)
    return noise_tile(cell)[rows[:, None], columns]


def fraction(values: np.ndarray) -> np.ndarray:
    """Fractional part, from 0 to below 1."""
    return values - np.floor(values)

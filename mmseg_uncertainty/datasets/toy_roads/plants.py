"""Trees and bushes of a rendered street."""
from __future__ import annotations

import numpy as np

from .canvas import VEGETATION, Canvas
from .textures import patch

LEAVES = np.array([[62, 95, 42], [85, 110, 48], [130, 105, 45], [48, 75, 50]], np.float32)


def paint_tree(canvas: Canvas, rng: np.random.Generator, position: tuple[float, float]) -> None:
    """Paint a tree that stands at ``position`` (X, Z)."""
    height = rng.uniform(3.5, 9)
    spread = height * rng.uniform(0.25, 0.4)
    trunk = rng.uniform(0.1, 0.22)
    brown = np.array([85., 68., 52.]) * rng.uniform(0.6, 1.1)
    canvas.shade_ground(position, spread * 1.2, spread)
    canvas.board(position, [(-trunk, 0), (trunk, 0), (trunk * 0.7, height * 0.6), (-trunk * 0.7, height * 0.6)], brown,
                 VEGETATION)
    blobs = rng.uniform(-1, 1, (6, 3)) * (spread * 0.7, height * 0.18, 0)
    blobs[:, 1] += height * 0.7
    blobs[:, 2] = rng.uniform(0.45, 0.8, 6) * spread
    paint_leaves(canvas, rng, position, blobs, rng.uniform(0.3, 1.2))


def paint_bush(canvas: Canvas, rng: np.random.Generator, position: tuple[float, float]) -> None:
    """Paint a bush that stands at ``position`` (X, Z)."""
    wide, high = rng.uniform(0.5, 1.6), rng.uniform(0.4, 1.1)
    blobs = rng.uniform(-1, 1, (5, 3)) * (wide, high * 0.3, 0)
    blobs[:, 1] += high * 0.5
    blobs[:, 2] = rng.uniform(0.5, 0.8, 5) * high
    paint_leaves(canvas, rng, position, blobs, rng.uniform(0.2, 0.8))


def paint_leaves(canvas: Canvas, rng: np.random.Generator, position: tuple[float, float], blobs: np.ndarray,
                 ragged: float) -> None:
    """Paint ragged foliage.

    Args:
        canvas: Canvas.
        rng: Random numbers.
        position: X and Z of the foot.
        blobs: Middle (x, y) relative to the foot and radius of each ball of leaves, shape (n, 3), metres.
        ragged: How far noise moves the outline, relative to the radius.
    """
    x, depth = position
    scale = canvas.camera.pixels_per_metre(depth)
    middles = canvas.camera.project(np.stack((x + blobs[:, 0], blobs[:, 1], np.full(len(blobs), depth)), 1))
    radii = np.maximum(blobs[:, 2] * scale, 0.8)
    box = canvas.box(np.concatenate((middles - 1.3 * radii[:, None], middles + 1.3 * radii[:, None])))
    if box is None or depth < 1.5:
        return
    (top, left), size = box
    rows = np.arange(top, top + size[0], dtype=np.float32)[:, None]
    columns = np.arange(left, left + size[1], dtype=np.float32)[None]
    inside = np.full(size, -9, np.float32)
    for (u, v), radius in zip(middles.astype(np.float32), radii.astype(np.float32)):
        near = 1 - ((rows - v) / radius)**2 - ((columns - u) / radius)**2
        np.maximum(inside, near, out=inside)
    noise = patch(rng, size, max(int(scale * 0.5), 2))
    mask = inside + ragged * noise > 0.15
    season = LEAVES[rng.choice(4, p=(0.4, 0.3, 0.1, 0.2))]
    rise = (rows - middles[:, 1].mean()) / (radii.max() * 2)
    lit = canvas.light.sun * (columns - middles[:, 0].mean()) / (radii.max() * 3) * canvas.light.contrast
    gain = np.clip(1 - 0.35 * rise + lit + 0.35 * noise + 0.2 * patch(rng, size, 2), 0.25, 1.7)
    canvas.blend(mask, (top, left), canvas.light.fall(season, depth, gain[..., None]), VEGETATION)

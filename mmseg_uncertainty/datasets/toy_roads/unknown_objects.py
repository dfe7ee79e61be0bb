"""Things that do not belong on a street: animals, boxes, tyres, balls, furniture and shapes without a name."""
from __future__ import annotations

import cv2
import numpy as np

from .canvas import UNKNOWN, Canvas
from .textures import fraction, patch


def paint_unknown_object(canvas: Canvas, rng: np.random.Generator, position: tuple[float, float]) -> None:
    """Paint one unknown object that stands at ``position`` (X, Z)."""
    canvas.shade_ground(position, 0.7, 0.5)
    painters = (_paint_animal, _paint_carton, _paint_tyre, _paint_blob, _paint_chair)
    painters[rng.choice(len(painters), p=(0.28, 0.2, 0.12, 0.28, 0.12))](canvas, rng, position)


def _vivid(rng: np.random.Generator) -> np.ndarray:
    return np.clip(rng.uniform(20, 245, 3), 0, 255)


def _paint_animal(canvas: Canvas, rng: np.random.Generator, position: tuple[float, float]) -> None:
    size = rng.uniform(0.45, 1.5)
    turn = rng.choice((-1, 1))
    fur = np.array([[150, 105, 60], [60, 50, 45], [210, 205, 195], [120, 120, 120], [185, 140, 90]])[rng.integers(5)]
    fur = fur * rng.uniform(0.7, 1.15)
    leg, neck = rng.uniform(0.28, 0.6), rng.uniform(0.1, 0.5)
    scale = np.array([turn * size, size])

    def part(outline, gain: float = 1.0) -> None:
        canvas.board(position, np.multiply(outline, scale), fur, UNKNOWN, gain)

    for x, gain in ((-0.4, 0.7), (0.32, 0.7), (-0.5, 1), (0.42, 1)):
        part([(x, leg + 0.1), (x + 0.11, leg + 0.1), (x + 0.09, 0), (x + 0.02, 0)], gain)
    part([(-0.58, leg), (-0.6, leg + 0.28), (-0.4, leg + 0.38), (0.4, leg + 0.36), (0.58, leg + 0.25), (0.52, leg)])
    part([(0.38, leg + 0.2), (0.42, leg + 0.36), (0.6, leg + 0.4 + neck), (0.78, leg + 0.36 + neck),
          (0.6, leg + 0.15)], 1.05)
    part([(0.55, leg + 0.3 + neck), (0.6, leg + 0.5 + neck), (0.8, leg + 0.48 + neck), (1.0, leg + 0.34 + neck),
          (0.96, leg + 0.26 + neck)], 0.95)
    part([(0.6, leg + 0.46 + neck), (0.58, leg + 0.64 + neck), (0.7, leg + 0.48 + neck)], 0.8)
    part([(-0.58, leg + 0.3), (-0.72, leg + 0.05), (-0.66, leg + 0.02), (-0.52, leg + 0.22)], 0.8)
    if rng.random() < 0.4:
        for _ in range(4):
            x, y = rng.uniform(-0.45, 0.4), leg + rng.uniform(0.08, 0.28)
            spot = np.array([(x - 0.08, y), (x, y - 0.06), (x + 0.09, y), (x, y + 0.06)])
            canvas.board(position, spot * scale, fur * 0.35 + 15, UNKNOWN)


def _paint_carton(canvas: Canvas, rng: np.random.Generator, position: tuple[float, float]) -> None:
    x, z = position
    wide, high, deep = rng.uniform(0.3, 1.3, 3)
    colour = np.array([175., 135., 90.]) if rng.random() < 0.5 else _vivid(rng)
    left, right = x - wide / 2, x + wide / 2
    side = right if x < 0 else left
    canvas.face([(side, 0, z), (side, 0, z + deep), (side, high, z + deep), (side, high, z)], colour, UNKNOWN, 0.65)
    canvas.face([(left, high, z), (right, high, z), (right, high, z + deep), (left, high, z + deep)], colour, UNKNOWN,
                1.2)
    canvas.face([(left, 0, z), (right, 0, z), (right, high, z), (left, high, z)], colour, UNKNOWN, 0.95)
    tape = 0.06 * wide
    canvas.face([(x - tape, 0, z), (x + tape, 0, z), (x + tape, high, z), (x - tape, high, z)], _vivid(rng), UNKNOWN)


def _paint_tyre(canvas: Canvas, rng: np.random.Generator, position: tuple[float, float]) -> None:
    radius, squash = rng.uniform(0.3, 0.6), rng.uniform(0.35, 1.0)
    ring = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    middle = radius * max(squash, 0.4)
    hub = rng.uniform(25, 90) if rng.random() < 0.5 else _vivid(rng)
    for share, colour in ((1.0, 28), (0.8, 48), (0.55, 20), (0.45, hub)):
        outline = np.stack((share * radius * np.cos(ring), middle + share * radius * squash * np.sin(ring)), 1)
        canvas.board(position, outline, np.broadcast_to(colour, 3), UNKNOWN)


def _paint_chair(canvas: Canvas, rng: np.random.Generator, position: tuple[float, float]) -> None:
    colour, size = _vivid(rng), rng.uniform(0.7, 1.4)
    legs = [([(x, 0), (x + 0.06, 0), (x + 0.06, 0.5), (x, 0.5)], 0.6) for x in (-0.26, 0.2)]
    seat = ([(-0.3, 0.42), (0.3, 0.42), (0.34, 0.56), (-0.34, 0.56)], 1.1)
    back = ([(-0.28, 0.56), (0.28, 0.56), (0.24, 1.15), (-0.24, 1.15)], 0.85)
    for outline, gain in (*legs, seat, back):
        canvas.board(position, np.multiply(outline, size), colour, UNKNOWN, gain)


def _paint_blob(canvas: Canvas, rng: np.random.Generator, position: tuple[float, float]) -> None:
    """A smooth closed outline, filled with stripes, checks, noise or one colour."""
    radius, stretch = rng.uniform(0.2, 0.8), rng.uniform(0.6, 1.4)
    ring = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    waves = sum(rng.uniform(-0.3, 0.3) / order * np.cos(order * ring + rng.uniform(0, 6.3)) for order in (2, 3, 5))
    outline = radius * (1 + waves)[:, None] * np.stack((np.cos(ring), stretch * np.sin(ring)), 1)
    outline[:, 1] -= outline[:, 1].min()
    x, depth = position
    pixels = canvas.camera.project(np.stack((x + outline[:, 0], outline[:, 1], np.full(32, depth)), 1))
    box = canvas.box(pixels)
    if box is None:
        return
    (top, left), size = box
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.rint((pixels - (left, top)) * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    share = _pattern(rng, size, canvas.camera.pixels_per_metre(depth) * radius)[..., None]
    colours = _vivid(rng) * share + _vivid(rng) * (1 - share)
    rise = np.linspace(1.2, 0.7, size[0])[:, None, None]
    canvas.blend(mask > 0, (top, left), canvas.light.fall(colours, depth, rise).astype(np.float32), UNKNOWN)


def _pattern(rng: np.random.Generator, size: tuple[int, int], unit: float) -> np.ndarray:
    """Share of the first colour, shape ``size``, from 0 to 1."""
    rows, columns = np.arange(size[0])[:, None] / max(unit, 2), np.arange(size[1])[None] / max(unit, 2)
    kind = rng.integers(4)
    if kind == 0:
        return (fraction(2 * rows + rng.uniform(-2, 2) * columns) < 0.5).astype(np.float32)
    if kind == 1:
        return (np.floor(3 * rows) + np.floor(3 * columns)) % 2
    if kind == 2:
        return 0.5 + 0.5 * patch(rng, size, max(int(unit / 2), 2))
    return np.ones(size, np.float32)

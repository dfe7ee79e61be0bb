"""Rows of houses along a rendered street."""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .canvas import BUILDING, LARGEST, SUBPIXEL_BITS, Canvas
from .surroundings import Street
from .textures import fraction, look_up, noise_tile

FARTHEST = 75.


@dataclass(frozen=True)
class House:
    """A box with windows.

    Args:
        side: −1 on the left of the street, 1 on the right.
        wall: X of the wall along the street in metres.
        start: Nearest Z.
        end: Farthest Z.
        height: Height in metres.
        colour: Colour of the plaster, RGB.
        grid: Width and height of the part of a wall that belongs to one window.
        window: Share of the grid that the window takes, horizontally and vertically.
        glass: Colour of dark windows.
        lit: Share of windows with light behind them.
        floor: Height of the ground floor.
    """

    side: int
    wall: float
    start: float
    end: float
    height: float
    colour: np.ndarray
    grid: tuple[float, float]
    window: tuple[float, float]
    glass: np.ndarray
    lit: float
    floor: float


def sample_houses(rng: np.random.Generator, street: Street, dark: bool) -> list[House]:
    """Draw the houses of both sides, from far to near."""
    houses = []
    for side in (-1, 1):
        if rng.random() < 0.08:
            continue
        depth = rng.uniform(-4, 14)
        setback = rng.uniform(3, 8) if street.green[side > 0] else rng.uniform(0, 1.5)
        while depth < FARTHEST:
            end = depth + rng.uniform(7, 24)
            wall = street.edge(side, max(0.5 * (depth + end), 0)) + side * (setback + rng.uniform(0, 0.8))
            houses.append(_sample_house(rng, side, wall, depth, end, dark))
            depth = end + (rng.uniform(2, 18) if rng.random() < 0.35 else 0)
    return sorted(houses, key=lambda house: -house.start)


def _sample_house(rng: np.random.Generator, side: int, wall: float, start: float, end: float, dark: bool) -> House:
    base = rng.uniform(70, 215)
    return House(
        side=side,
        wall=wall,
        start=start,
        end=end,
        height=rng.uniform(5, 22),
        colour=np.clip(base * (1 + rng.uniform(-0.22, 0.22, 3)), 30, 240).astype(np.float32),
        grid=(rng.uniform(1.6, 3.8), rng.uniform(2.6, 3.6)),
        window=(rng.uniform(0.3, 0.75), rng.uniform(0.35, 0.7)),
        glass=np.array([45., 55., 70.], np.float32) * rng.uniform(0.5, 2.0),
        lit=rng.uniform(0.1, 0.5) if dark else rng.uniform(0, 0.03),
        floor=rng.uniform(0, 4))


def paint_house(canvas: Canvas, house: House) -> None:
    """Paint the wall that faces the camera, then the wall along the street."""
    camera = canvas.camera
    start = max(house.start, 1.0)
    if house.end <= start:
        return
    outer = house.wall + house.side * 14
    if house.start > 1.0:
        front = [(house.wall, 0, start), (outer, 0, start), (outer, house.height, start),
                 (house.wall, house.height, start)]
        _paint_wall(canvas, house, front, canvas.light.facing(0) * 0.9, lambda columns: (
            (columns - camera.centre) * start / camera.focal + 1000, np.full_like(columns, start)))
    flank = [(house.wall, 0, start), (house.wall, 0, house.end), (house.wall, house.height, house.end),
             (house.wall, house.height, start)]

    def flank_positions(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        beside = columns - camera.centre
        beside = np.where(beside * house.side < 1, house.side, beside)
        depth = np.clip(camera.focal * house.wall / beside, start, house.end)
        return depth, depth

    if house.wall * house.side > 0.3:
        _paint_wall(canvas, house, flank, canvas.light.facing(-house.side), flank_positions)


def _paint_wall(canvas: Canvas, house: House, corners: list, gain: float, positions) -> None:
    camera, light = canvas.camera, canvas.light
    pixels = np.clip(camera.project(np.array(corners, dtype=np.float64)), -LARGEST, LARGEST)
    box = canvas.box(pixels)
    if box is None or box[1][1] < 2:
        return
    (top, left), (rows, columns) = box
    mask = np.zeros((rows, columns), np.uint8)
    cv2.fillPoly(mask, [np.rint((pixels - (left, top)) * 16).astype(np.int32)], 1, cv2.LINE_8, SUBPIXEL_BITS)
    along, depth = positions(np.arange(left, left + columns, dtype=np.float32))
    above = (camera.horizon - np.arange(top, top + rows, dtype=np.float32))[:, None]
    height = camera.elevation + above * depth / camera.focal
    colours = _wall_colours(house, np.broadcast_to(along, height.shape), height)
    glowing = colours[..., 3:]
    seen = light.fall(colours[..., :3], depth[None, :, None], gain)
    canvas.blend(mask > 0, (top, left), seen * (1 - glowing) + colours[..., :3] * glowing, BUILDING)


def _wall_colours(house: House, along: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Colour and whether it glows, shape (h, w, 4)."""
    column, row = along / house.grid[0], (height - house.floor) / house.grid[1]
    inside = (row > 0) & (height < house.height - 0.6)
    for position, share in zip((column, row), house.window):
        inside &= np.abs(fraction(position) - 0.5) < share / 2
    chance = look_up(noise_tile(1), np.floor(row) * 7 + 31, np.floor(column) * 13 + int(house.height * 97))
    result = np.zeros((*along.shape, 4), np.float32)
    rough = look_up(noise_tile(4), height * 8 + 64, along * 8) * 0.08
    stains = look_up(noise_tile(16), height * 2 + 64, along * 3) * 0.1
    result[..., :3] = house.colour * (1 + rough + stains)[..., None]
    result[..., :3][inside] = (house.glass * (1 + 0.5 * chance[..., None]))[inside]
    shop = (height > 0.4) & (height < house.floor - 0.5) & (fraction(column * 0.5) > 0.15)
    result[..., :3][shop] = house.glass * 0.8
    lit = (inside | shop) & (chance * 0.5 + 0.5 < house.lit)
    result[lit] = (235, 195, 120, 1)
    result[..., :3][height > house.height - 0.4] *= 0.7
    return result

"""Sky, skyline and ground of a rendered street."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import BUILDING, PAVEMENT, ROAD, SKY, VEGETATION, Canvas
from .textures import fraction, look_up, noise_tile, patch, smooth_noise


@dataclass(frozen=True)
class Street:
    """Course and cross-section of a street, in metres.

    Args:
        half_width: Half the width of the road.
        pavements: Width of the pavement on the left and on the right.
        offset: Where the middle of the road lies beside the camera.
        bend: Curvature: the middle moves by ``bend · Z²``.
        green: Whether grass follows the pavement, on the left and on the right.
        grey: Brightness of the road.
        pavement_grey: Brightness of the pavement.
        cobbled: Whether the road has joints as pavements have.
        wet: Share of the road that mirrors the sky, from 0 to 1.
    """

    half_width: float
    pavements: tuple[float, float]
    offset: float
    bend: float
    green: tuple[bool, bool]
    grey: float
    pavement_grey: float
    cobbled: bool
    wet: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Street:
        """Draw a street."""
        half_width = rng.uniform(3.0, 6.0)
        grey = rng.uniform(60, 120)
        return cls(
            half_width=half_width,
            pavements=(rng.uniform(1.2, 4.0), rng.uniform(1.2, 4.0)),
            offset=rng.uniform(-0.6, 0.3) * (half_width - 1),
            bend=rng.uniform(-0.004, 0.004) if rng.random() < 0.5 else 0.0,
            green=(bool(rng.random() < 0.4), bool(rng.random() < 0.4)),
            grey=grey,
            pavement_grey=grey + rng.uniform(-14, 40),
            cobbled=bool(rng.random() < 0.2),
            wet=rng.uniform(0.1, 0.6) if rng.random() < 0.25 else 0.0)

    def middle(self, depth: np.ndarray | float) -> np.ndarray | float:
        """X of the middle of the road at ``depth``."""
        return self.offset + self.bend * depth * depth

    def edge(self, side: int, depth: float) -> float:
        """X where the pavement of a side (−1 left, 1 right) ends."""
        return self.middle(depth) + side * (self.half_width + self.pavements[side > 0])

    def kerb(self, side: int, depth: float) -> float:
        """X where the road ends on a side (−1 left, 1 right)."""
        return self.middle(depth) + side * self.half_width


def paint_sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint a gradient with clouds down to the horizon."""
    camera, light = canvas.camera, canvas.light
    size = (int(camera.horizon) + 1, camera.width)
    rows = np.arange(size[0], dtype=np.float32)[:, None, None] / size[0]
    colours = light.zenith * (1 - rows) + light.haze_colour * rows
    cell = max(camera.width // 6, 2)
    clouds = smooth_noise(rng, size, cell) + 0.5 * smooth_noise(rng, size, max(cell // 2, 1))
    clouds = clouds + 0.25 * smooth_noise(rng, size, max(cell // 5, 1))
    cover = np.clip(clouds + rng.uniform(-0.9, 0.5), 0, 1)[..., None]
    white = light.haze_colour * rng.uniform(0.85, 1.12)
    canvas.pixels[:size[0], :, :3] = colours * (1 - cover) + white * cover
    canvas.pixels[:size[0], :, 3] = SKY


def paint_skyline(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint far buildings and trees along the horizon."""
    camera, light = canvas.camera, canvas.light
    unit = camera.width / 32
    column = -unit
    while column < camera.width:
        wide = rng.uniform(1.0, 4.0) * unit
        high = rng.uniform(0.2, 1.6) * unit
        grey = rng.uniform(70, 150)
        box = np.array([[column, camera.horizon - high], [column + wide, camera.horizon - high],
                        [column + wide, camera.horizon + 2], [column, camera.horizon + 2]])
        canvas.polygon(box, light.fall(np.array([grey, grey * 0.95, grey * 0.9]), 150.), BUILDING)
        column += wide * rng.uniform(0.8, 1.6)
    height = np.clip(smooth_noise(rng, (1, camera.width), max(int(unit * 2), 2))[0] + rng.uniform(-0.3, 0.5), -1, 1.2)
    crest = camera.horizon - unit * 0.9 * height - 0.5 * unit * smooth_noise(rng, (1, camera.width), 2)[0] * 0.4
    top = max(int(crest.min()), 0)
    rows = np.arange(top, int(camera.horizon) + 3, dtype=np.float32)[:, None]
    mask = (rows >= crest) & (rows <= camera.horizon + 2) & (height > 0)
    green = np.array([60., 85., 45.]) * rng.uniform(0.7, 1.2)
    texture = 1 + 0.25 * patch(rng, mask.shape, 4)[..., None]
    canvas.blend(mask, (top, 0), light.fall((green * texture).astype(np.float32), 120.), VEGETATION)


def paint_ground(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    """Paint road, pavements and verges with markings and large shadows."""
    camera, light = canvas.camera, canvas.light
    top = int(camera.horizon) + 1
    rows = np.arange(top, camera.height, dtype=np.float32)[:, None]
    columns = np.arange(camera.width, dtype=np.float32)[None]
    depth = camera.focal * camera.elevation / (rows + 0.5 - camera.horizon)
    across = (columns - camera.centre) * depth / camera.focal - street.middle(depth)
    along = np.broadcast_to(depth, across.shape)

    labels = _zones(street, across)
    fine = look_up(noise_tile(1), along * 14, across * 14 + 4000)
    coarse = look_up(noise_tile(16), along * 3 + rng.integers(256), across * 6 + rng.integers(256) + 4000)
    colours = _surface_colours(street, labels, across, along, fine, coarse, rng)
    _add_markings(colours, street, across, along, fine, rng)
    _add_puddles(colours, canvas, street, labels, coarse)
    gain = _large_shadows(canvas, street, across, along, rng)[..., None]
    seen = light.fall(colours, along[..., None], gain)
    if light.is_dark:
        seen += _headlights(across + street.offset, along)[..., None] * colours * (1, 0.95, 0.8)
    canvas.pixels[top:, :, :3] = seen
    canvas.pixels[top:, :, 3] = labels


def _zones(street: Street, across: np.ndarray) -> np.ndarray:
    labels = np.full(across.shape, ROAD, np.float32)
    for side in (-1, 1):
        labels[side * across > street.half_width] = PAVEMENT
        if street.green[side > 0]:
            labels[side * across > street.half_width + street.pavements[side > 0]] = VEGETATION
    return labels


def _surface_colours(street: Street, labels: np.ndarray, across: np.ndarray, along: np.ndarray, fine: np.ndarray,
                     coarse: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    tints = 1 + rng.uniform(-0.05, 0.05, (2, 3)).astype(np.float32)
    greens = np.array([75., 105., 50.], np.float32) * rng.uniform(0.7, 1.2)
    table = np.zeros((VEGETATION + 1, 3), np.float32)
    table[ROAD], table[PAVEMENT], table[VEGETATION] = street.grey * tints[0], street.pavement_grey * tints[1], greens
    roughness = np.zeros(VEGETATION + 1, np.float32)
    roughness[[ROAD, PAVEMENT, VEGETATION]] = rng.uniform(0.05, 0.16), rng.uniform(0.04, 0.16), 0.35
    index = labels.astype(np.int64)
    gain = 1 + roughness[index] * fine + rng.uniform(0.05, 0.2) * coarse
    slab = rng.uniform(0.35, 1.2)
    joints = (fraction(across / slab) < 0.07) | (fraction(along / slab) < 0.07)
    jointed = (labels == PAVEMENT) | ((labels == ROAD) & street.cobbled)
    gain[joints & jointed & (along < 25)] *= 0.8
    kerb = np.abs(np.abs(across) - street.half_width - 0.1) < 0.1
    gain[kerb] *= rng.uniform(0.75, 1.3)
    return table[index] * gain[..., None]


def _add_markings(colours: np.ndarray, street: Street, across: np.ndarray, along: np.ndarray, fine: np.ndarray,
                  rng: np.random.Generator) -> None:
    worn = fine < rng.uniform(0.1, 0.9)
    dashes = fraction(along / 9 + rng.random()) < 0.45
    paint = (np.abs(across) < 0.08) & dashes
    if rng.random() < 0.5:
        paint |= np.abs(np.abs(across) - street.half_width + 0.35) < 0.07
    if rng.random() < 0.25:
        start = rng.uniform(6, 25)
        paint |= (along > start) & (along < start + 3) & (fraction(across) < 0.5) & (np.abs(across) < street.half_width)
    bright = rng.uniform(150, 235)
    colours[paint & worn] = (bright, bright, bright * rng.choice((1.0, 0.6), p=(0.85, 0.15)))
    if rng.random() < 0.5:
        row, column, length = rng.uniform(4, 20), rng.uniform(-0.8, 0.6) * street.half_width, rng.uniform(1, 6)
        tar = (along > row) & (along < row + length) & (across > column) & (across < column + rng.uniform(0.6, 2))
        colours[tar & (np.abs(across) < street.half_width)] *= rng.uniform(0.65, 1.2)


def _add_puddles(colours: np.ndarray, canvas: Canvas, street: Street, labels: np.ndarray, coarse: np.ndarray) -> None:
    if street.wet:
        puddle = (coarse > 0.6 - street.wet) & (labels <= PAVEMENT)
        mirrored = canvas.light.haze_colour / np.maximum(canvas.light.ambient, 0.3)
        colours[puddle] = 0.45 * colours[puddle] + 0.4 * mirrored


def _large_shadows(canvas: Canvas, street: Street, across: np.ndarray, along: np.ndarray,
                   rng: np.random.Generator) -> np.ndarray:
    light = canvas.light
    side = 1 if light.sun > 0 else -1
    steps = rng.uniform(-1.0, 1.2, 64).astype(np.float32) * street.half_width
    reach = steps[(along / 9).astype(np.int64) & 63]
    shaded = side * across > reach
    dapples = look_up(noise_tile(16), along * 2.5, across * 5 + 900) > rng.uniform(0.2, 0.8)
    return np.where(shaded | dapples, np.float32(light.shadow), np.float32(1))


def _headlights(beside: np.ndarray, along: np.ndarray) -> np.ndarray:
    reach = np.clip(1 - along / 30, 0, 1) * np.clip(1 - np.abs(beside) / (1.5 + 0.35 * along), 0, 1)
    return 0.8 * reach * np.clip(along / 4 - 0.4, 0, 1)

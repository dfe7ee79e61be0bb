"""Cars, people, poles and signs of a rendered street."""
from __future__ import annotations

import numpy as np

from .canvas import CAR, PERSON, POLE, Canvas

# Outlines from rear to front as shares of length and height; the third number tells glass from metal.
CAR_PROFILES = {
    'hatchback': ((0, .2, 0), (0, .55, 0), (.06, .62, 0), (.16, 1, 1), (.55, 1, 0), (.75, .62, 1), (1, .5, 0),
                  (1, .2, 0)),
    'saloon': ((0, .2, 0), (0, .6, 0), (.15, .64, 0), (.28, 1, 1), (.58, 1, 0), (.74, .64, 1), (1, .55, 0), (1, .2, 0)),
    'van': ((0, .15, 0), (0, .55, 0), (.02, .9, 1), (.04, 1, 0), (.78, 1, 0), (.92, .55, 1), (1, .45, 0), (1, .15, 0)),
    'lorry': ((0, .18, 0), (0, .95, 0), (.01, 1, 0), (.74, 1, 0), (.75, .8, 0), (.97, .8, 0), (1, .45, 1), (1, .15, 0)),
}
CAR_SIZES = {
    'hatchback': (3.9, 1.7, 1.5),
    'saloon': (4.5, 1.8, 1.45),
    'van': (5.2, 1.95, 2.1),
    'lorry': (7.5, 2.4, 3.0)
}
PAINTS = np.array([[200, 200, 205], [40, 42, 48], [120, 122, 126], [150, 35, 35], [35, 60, 130], [225, 225, 220],
                   [95, 85, 70], [40, 80, 60], [190, 150, 40]], np.float32)


def paint_car(canvas: Canvas, rng: np.random.Generator, position: tuple[float, float], heading: str) -> None:
    """Paint a car.

    Args:
        canvas: Canvas.
        rng: Random numbers.
        position: X of the middle and Z of the nearest part in metres.
        heading: ``'away'`` and ``'towards'`` along the street, ``'across'`` it.
    """
    kind = ('hatchback', 'saloon', 'van', 'lorry')[rng.choice(4, p=(0.4, 0.33, 0.19, 0.08))]
    length, width, height = np.array(CAR_SIZES[kind]) * rng.uniform(0.92, 1.08, 3)
    profile = np.array(CAR_PROFILES[kind])
    if heading == 'towards' or (heading == 'across' and rng.random() < 0.5):
        profile[:, 0] = 1 - profile[:, 0]
        profile[:-1, 2] = profile[1:, 2].copy()
        profile = np.concatenate((profile[::-1, :2], np.append(0, profile[::-1, 2][:-1])[:, None]), 1)
    colour = PAINTS[rng.integers(len(PAINTS))] * rng.uniform(0.7, 1.1)
    outline = profile[:, :2] * (length, height)
    if heading == 'across':
        canvas.shade_ground(position, length * 0.9, width)
        _paint_flank(canvas, lambda points: _across(position, length, points), outline, colour, rng, height)
        return
    canvas.shade_ground(position, width, length)
    side = -1 if position[0] > 0 else 1
    x = position[0] + side * width / 2
    canvas.board(position, _rectangle(0, 0.16 * height, width * 0.45, 0.12 * height), (24, 24, 26), CAR)
    _paint_ends(canvas, position, width, outline, profile[:, 2], colour)
    _paint_flank(canvas, lambda points: _along(x, position[1], points), outline, colour, rng, height)
    _paint_rear(canvas, position, width, height, heading)


def _along(x: float, start: float, points: np.ndarray) -> np.ndarray:
    return np.stack((np.full(len(points), x), points[:, 1], start + points[:, 0]), 1)


def _across(position: tuple[float, float], length: float, points: np.ndarray) -> np.ndarray:
    return np.stack((position[0] - length / 2 + points[:, 0], points[:, 1], np.full(len(points), position[1])), 1)


def _paint_ends(canvas: Canvas, position: tuple[float, float], width: float, outline: np.ndarray, glass: np.ndarray,
                colour: np.ndarray) -> None:
    """Paint every strip of the profile that the camera can see, from far to near."""
    x, start = position
    for index in reversed(range(len(outline) - 1)):
        (near, low), (far, high) = outline[index], outline[index + 1]
        if high < low:
            continue
        insets = [width / 2 * (0.9 if 1.1 < y < 1.8 else 1) for y in (low, high)]
        corners = [(x - insets[0], low, start + near), (x + insets[0], low, start + near),
                   (x + insets[1], high, start + far), (x - insets[1], high, start + far)]
        gain = 0.85 if far == near else 1.1
        canvas.face(corners, colour, CAR, gain)
        if glass[index + 1]:
            middle = np.mean(corners, axis=0)
            canvas.face(middle + 0.82 * (np.array(corners) - middle), (38, 46, 56), CAR, 1.0)


def _paint_flank(canvas: Canvas, place, outline: np.ndarray, colour: np.ndarray, rng: np.random.Generator,
                 height: float) -> None:
    gain = canvas.light.facing(rng.choice((-1, 1)))
    canvas.face(place(outline), colour, CAR, gain)
    canvas.face(place(outline * (1, 0) + np.minimum(outline[:, 1:], 0.38 * height) * (0, 1)), colour * 0.8, CAR, gain)
    roof = outline[outline[:, 1] > outline[:, 1].max() * 0.9][:, 0]
    belt, top = 0.62 * height, 0.93 * height
    if height < 2.8:
        for left, right in ((0.04, 0.47), (0.53, 0.98)):
            span = roof.min() + (roof.max() - roof.min()) * np.array([left, right])
            canvas.face(place(np.array([(span[0], belt), (span[1], belt), (span[1], top), (span[0], top)])),
                        (36, 44, 54), CAR)
    ring = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    length = outline[:, 0].max()
    for share in (0.18, 0.8):
        for radius, grey in ((0.34, 22), (0.17, 110)):
            wheel = np.stack((share * length + radius * np.cos(ring), 0.34 + radius * np.sin(ring)), 1)
            canvas.face(place(wheel), (grey, grey, grey), CAR)


def _paint_rear(canvas: Canvas, position: tuple[float, float], width: float, height: float, heading: str) -> None:
    """Paint lights, plate and tyres of the end that faces the camera."""
    half = width / 2
    red = heading == 'away'
    lamp = (235, 40, 25) if red else (255, 245, 215)
    glows = canvas.light.is_dark
    for side in (-1, 1):
        x = side * half * 0.8
        canvas.board(position, _rectangle(x, 0.42 * height, 0.14, 0.06), lamp if glows else np.array(lamp) * 0.8, CAR,
                     glows=glows)
        canvas.board(position, _rectangle(x, 0.17, 0.12, 0.17), (20, 20, 20), CAR)
    canvas.board(position, _rectangle(0, 0.3 * height, 0.24, 0.05), (215, 215, 205), CAR)


def _rectangle(x: float, y: float, half_width: float, half_height: float) -> list[tuple[float, float]]:
    return [(x - half_width, y - half_height), (x + half_width, y - half_height), (x + half_width, y + half_height),
            (x - half_width, y + half_height)]


def _disc(x: float, y: float, radius: float, stretch: float = 1.0, corners: int = 12) -> np.ndarray:
    ring = np.linspace(0, 2 * np.pi, corners, endpoint=False) + np.pi / 2
    return np.stack((x + radius * np.cos(ring), y + radius * stretch * np.sin(ring)), 1)


def paint_person(canvas: Canvas, rng: np.random.Generator, position: tuple[float, float]) -> None:
    """Paint somebody who stands or walks at ``position`` (X, Z)."""
    tall = rng.uniform(1.1, 1.95) / 1.8
    wide = tall * rng.uniform(0.85, 1.3)
    coat = rng.uniform(25, 200) * (1 + rng.uniform(-0.5, 0.5, 3))
    trousers = rng.uniform(20, 120) * (1 + rng.uniform(-0.3, 0.3, 3))
    skin = np.array([205., 160., 130.]) * rng.uniform(0.4, 1.1)
    stride = rng.uniform(0, 0.28)
    scale = (wide, tall)
    canvas.shade_ground(position, 0.6, 0.5)
    for side in (-1, 1):
        leg = [(side * 0.02, 0.85), (side * 0.17, 0.85), (side * (0.12 + stride), 0.0), (side * (0.02 + stride), 0.0)]
        canvas.board(position, np.multiply(leg, scale), trousers * (1 + 0.15 * side), PERSON)
        hand = stride / 2
        arm = [(side * 0.2, 1.48), (side * 0.28, 1.42), (side * (0.26 + hand), 0.8), (side * (0.2 + hand), 0.8)]
        canvas.board(position, np.multiply(arm, scale), coat * 0.85, PERSON)
    hem = rng.uniform(0.5, 0.85)
    torso = [(-0.21, 1.5), (0.21, 1.5), (0.19, hem), (-0.19, hem)]
    canvas.board(position, np.multiply(torso, scale), coat, PERSON)
    if rng.random() < 0.3:
        bag = [(-0.16, 1.4), (0.16, 1.4), (0.16, 1.0), (-0.16, 1.0)]
        canvas.board(position, np.multiply(bag, scale), trousers, PERSON)
    canvas.board(position, _disc(0, 1.64 * tall, 0.12 * tall, 1.3), skin, PERSON)
    canvas.board(position, _disc(0, 1.71 * tall, 0.125 * tall, 0.8), skin * rng.uniform(0.1, 0.8), PERSON)


def paint_lamp_post(canvas: Canvas, rng: np.random.Generator, position: tuple[float, float]) -> None:
    """Paint a street lamp whose arm reaches over the road."""
    high, grey = rng.uniform(4.5, 8), rng.uniform(50, 130)
    half = _half_width(canvas, rng.uniform(0.05, 0.1), position[1])
    reach = -np.sign(position[0]) * rng.uniform(0.8, 2)
    colour = (grey, grey, grey)
    canvas.board(position, [(-half, 0), (half, 0), (half * 0.7, high), (-half * 0.7, high)], colour, POLE)
    canvas.board(position, [(0, high), (reach, high + 0.25), (reach, high + 0.25 + 1.6 * half), (0, high + 1.6 * half)],
                 colour, POLE)
    lit = canvas.light.is_dark
    canvas.board(position, _rectangle(reach, high + 0.2, 0.3, max(0.1, half)), (255, 225, 165) if lit else colour, POLE,
                 glows=lit)


def paint_sign(canvas: Canvas, rng: np.random.Generator, position: tuple[float, float]) -> None:
    """Paint a road sign: disc, triangle, diamond or board on a post."""
    high, grey = rng.uniform(1.9, 2.8), rng.uniform(90, 160)
    half = _half_width(canvas, 0.04, position[1])
    canvas.board(position, [(-half, 0), (half, 0), (half, high), (-half, high)], (grey, grey, grey), POLE)
    rim, inner = (((190, 30, 30), (225, 225, 220)), ((30, 60, 150), (30, 60, 150)),
                  ((225, 225, 220), (220, 180, 40)))[rng.integers(3)]
    corners = (3, 4, 14)[rng.integers(3)]
    for radius, colour in ((0.4, rim), (0.28, inner)):
        canvas.board(position, _disc(0, high, radius, 1, corners), colour, POLE)


def paint_traffic_light(canvas: Canvas, rng: np.random.Generator, position: tuple[float, float]) -> None:
    """Paint a traffic light on its post."""
    high = rng.uniform(2.2, 3.2)
    half = _half_width(canvas, 0.06, position[1])
    canvas.board(position, [(-half, 0), (half, 0), (half, high), (-half, high)], (70, 72, 74), POLE)
    canvas.board(position, _rectangle(0, high + 0.3, 0.17, 0.45), (28, 30, 30), POLE)
    on = rng.integers(3)
    for index, colour in enumerate(((60, 220, 110), (240, 190, 60), (240, 50, 35))):
        shine = colour if index == on else np.array(colour) * 0.15
        canvas.board(position, _disc(0, high + 0.02 + 0.28 * index, 0.1), shine, POLE, glows=index == on)


def paint_bollard(canvas: Canvas, rng: np.random.Generator, position: tuple[float, float]) -> None:
    """Paint a low post."""
    high, grey = rng.uniform(0.7, 1.1), rng.uniform(40, 180)
    half = _half_width(canvas, rng.uniform(0.05, 0.1), position[1])
    canvas.board(position, [(-half, 0), (half, 0), (half, high), (-half, high)], (grey, grey, grey * 0.95), POLE)


def _half_width(canvas: Canvas, half: float, depth: float) -> float:
    """At least half a pixel, so that far poles do not vanish."""
    return max(half, 0.5 / canvas.camera.pixels_per_metre(depth))

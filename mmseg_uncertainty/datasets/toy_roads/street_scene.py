"""Render a street scene and its labels from a seed."""
from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mmseg_uncertainty.label_values import VOID

from .buildings import paint_house, sample_houses
from .camera import Camera
from .canvas import UNKNOWN, Canvas
from .light import CONDITIONS, Light
from .plants import paint_bush, paint_tree
from .sensor import develop, paint_bonnet
from .surroundings import Street, paint_ground, paint_sky, paint_skyline
from .traffic import (paint_bollard, paint_car, paint_lamp_post, paint_person, paint_sign, paint_traffic_light)
from .unknown_objects import paint_unknown_object

Painting = tuple[float, Callable[[Canvas], None]]
SCENE, CAMERA, UNKNOWNS, LIGHT = range(4)
IN_FRONT = 4.5
LEAST_SHARE = 0.001


def render_street_scene(key: Sequence[int],
                        size: tuple[int, int] = (160, 256),
                        anomalies: bool = False,
                        conditions: Sequence[str] = tuple(CONDITIONS)) -> tuple[np.ndarray, np.ndarray]:
    """Render one street.

    The same key gives the same street in every light, with and without unknown objects.

    Args:
        key: Non-negative integers that seed the random numbers.
        size: Height and width in pixels.
        anomalies: Whether unknown objects stand on the street.
        conditions: Light conditions to draw from, see :data:`CONDITIONS`.

    Returns:
        Image, shape (H, W, 3), uint8, RGB; labels, shape (H, W), uint8: a class index, or 255 = void. With
        ``anomalies`` the labels are 0 = in-distribution, 1 = anomaly, 255 = void.
    """
    rng = np.random.default_rng([*key, SCENE])
    camera = Camera.sample(rng, size)
    canvas = Canvas(camera, Light.sample(np.random.default_rng([*key, LIGHT]), conditions))
    street = Street.sample(rng)
    paint_sky(canvas, rng)
    paint_skyline(canvas, rng)
    paint_ground(canvas, street, rng)
    for house in sample_houses(rng, street, canvas.light.is_dark):
        paint_house(canvas, house)
    objects = _plants(rng, street) + _furniture(rng, street) + _cars(rng, street) + _people(rng, street)
    unknown_rng = np.random.default_rng([*key, UNKNOWNS])
    if anomalies:
        objects += _unknown_objects(unknown_rng, street, camera)
    for _, paint in sorted(objects, key=lambda painting: -painting[0]):
        paint(canvas)
    if anomalies and (canvas.labels == UNKNOWN).sum() < LEAST_SHARE * size[0] * size[1]:
        _unknown_object(unknown_rng, street, camera, IN_FRONT)[1](canvas)
    sensor_rng = np.random.default_rng([*key, CAMERA])
    paint_bonnet(canvas, sensor_rng)
    return develop(canvas, sensor_rng), anomaly_labels(canvas.labels) if anomalies else canvas.labels


def anomaly_labels(labels: np.ndarray) -> np.ndarray:
    """Turn class labels into 0 = in-distribution, 1 = anomaly, 255 = void."""
    return np.where(labels == VOID, VOID, labels == UNKNOWN).astype(np.uint8)


def _placed(paint: Callable, rng: np.random.Generator, position: tuple[float, float], *options) -> Painting:
    own = np.random.default_rng(rng.integers(2**63))
    return position[1], lambda canvas: paint(canvas, own, position, *options)


def _depth(rng: np.random.Generator, nearest: float, farthest: float) -> float:
    """Depths spread so that all sizes on the image are about equally frequent."""
    return nearest * (farthest / nearest)**rng.random()


def _side(rng: np.random.Generator) -> int:
    return -1 if rng.random() < 0.5 else 1


def _plants(rng: np.random.Generator, street: Street) -> list[Painting]:
    objects = []
    for side in (-1, 1):
        green = street.green[side > 0]
        for _ in range(rng.poisson(3 if green else 0.9)):
            depth = _depth(rng, 6, 90)
            x = street.edge(side, depth) + side * (rng.uniform(0.3, 3) if green else -rng.uniform(0.2, 0.8))
            objects.append(_placed(paint_tree, rng, (x, depth)))
        for _ in range(rng.poisson(3 if green else 0.4)):
            depth = _depth(rng, 5, 60)
            objects.append(_placed(paint_bush, rng, (street.edge(side, depth) + side * rng.uniform(0, 1.5), depth)))
    return objects


def _furniture(rng: np.random.Generator, street: Street) -> list[Painting]:
    painters = (paint_lamp_post, paint_sign, paint_traffic_light, paint_bollard)
    objects = []
    for _ in range(rng.poisson(6)):
        side, depth = _side(rng), _depth(rng, 5, 70)
        x = street.kerb(side, depth) + side * rng.uniform(0.25, 0.7)
        objects.append(_placed(painters[rng.choice(4, p=(0.35, 0.35, 0.12, 0.18))], rng, (x, depth)))
    return objects


def _cars(rng: np.random.Generator, street: Street) -> list[Painting]:
    objects = []
    for side in (-1, 1):
        if rng.random() < 0.55:
            depth = rng.uniform(4, 14)
            while depth < 70:
                if rng.random() < 0.65:
                    heading = 'away' if side > 0 else 'towards'
                    objects.append(_placed(paint_car, rng, (street.kerb(side, depth) - side * 1.1, depth), heading))
                depth += rng.uniform(5.5, 9)
    for _ in range(rng.poisson(1.6)):
        side, depth = _side(rng), _depth(rng, 7, 80)
        x = street.middle(depth) + side * street.half_width * 0.42
        objects.append(_placed(paint_car, rng, (x, depth), 'away' if side > 0 else 'towards'))
    if rng.random() < 0.15:
        depth = _depth(rng, 9, 45)
        objects.append(_placed(paint_car, rng, (street.middle(depth) + rng.uniform(-4, 4), depth), 'across'))
    return objects


def _people(rng: np.random.Generator, street: Street) -> list[Painting]:
    objects = []
    for _ in range(rng.poisson(4)):
        side, depth = _side(rng), _depth(rng, 5, 50)
        beside = rng.uniform(-1.5, 0.2) if rng.random() < 0.2 else rng.uniform(0.3, street.pavements[side > 0])
        x = street.kerb(side, depth) + side * beside
        for _ in range(1 + (rng.random() < 0.3)):
            objects.append(_placed(paint_person, rng, (x, depth)))
            x += rng.uniform(0.5, 0.9)
    return objects


def _unknown_objects(rng: np.random.Generator, street: Street, camera: Camera) -> list[Painting]:
    return [_unknown_object(rng, street, camera, _depth(rng, 5, 22)) for _ in range(rng.integers(1, 4))]


def _unknown_object(rng: np.random.Generator, street: Street, camera: Camera, depth: float) -> Painting:
    left, right = ((share * camera.width - camera.centre) * depth / camera.focal for share in (0.1, 0.9))
    reach = street.half_width + 1
    low, high = max(left, street.middle(depth) - reach), min(right, street.middle(depth) + reach)
    x = rng.uniform(low, high) if low < high else 0.5 * (left + right)
    return _placed(paint_unknown_object, rng, (x, depth))

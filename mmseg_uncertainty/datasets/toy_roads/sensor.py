"""From light to grey values: exposure, blur, vignette and noise of a camera."""
from __future__ import annotations

import cv2
import numpy as np

from mmseg_uncertainty.label_values import VOID

from .canvas import Canvas


def paint_bonnet(canvas: Canvas, rng: np.random.Generator) -> None:
    """Cover the lower edge with the bonnet of the camera's own car, labelled void, in two of five images."""
    if rng.random() > 0.4:
        return
    height, width = canvas.camera.height, canvas.camera.width
    rise = rng.uniform(0.04, 0.12) * height
    shift = rng.uniform(-0.1, 0.1) * width
    ring = np.linspace(0, np.pi, 24)
    corners = np.stack((width * 0.5 + shift - 0.6 * width * np.cos(ring), height + 1 - rise * np.sin(ring)), 1)
    grey = rng.uniform(15, 120)
    canvas.polygon(corners, canvas.light.fall(np.array([grey, grey, grey * 1.05], np.float32), 0.), VOID)
    glint = (corners - corners.mean(0)) * (0.7, 0.4) + corners.mean(0)
    canvas.polygon(glint, canvas.light.fall(np.array([grey, grey, grey], np.float32), 0., 1.25), VOID)


def develop(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Image as the camera stores it, shape (H, W, 3), uint8, RGB."""
    height, width = canvas.camera.height, canvas.camera.width
    light = canvas.pixels[..., :3]
    rows = (np.arange(height, dtype=np.float32)[:, None] / height - 0.5)**2
    columns = (np.arange(width, dtype=np.float32)[None] / width - 0.5)**2
    vignette = 1 - np.float32(rng.uniform(0, 0.6)) * (rows + columns)
    light = light * (vignette[..., None] * np.float32(_exposure(canvas, rng)))
    image = np.clip(light, 0, 255).astype(np.uint8)
    image = cv2.GaussianBlur(image, (5, 5), rng.uniform(0.35, 0.9) * max(width / 256, 1))
    if rng.random() < 0.12:
        length = int(rng.integers(2, 5))
        image = cv2.blur(image, (length, 1))
    return _add_noise(image, rng, canvas.light.is_dark)


def _exposure(canvas: Canvas, rng: np.random.Generator) -> float:
    share = rng.random()
    return 1 + 0.9 * share if canvas.light.is_dark else 0.8 + 0.35 * share


def _add_noise(image: np.ndarray, rng: np.random.Generator, dark: bool) -> np.ndarray:
    strength = rng.uniform(0.015, 0.09) if dark else rng.uniform(0.008, 0.045)
    pair = rng.integers(0, 256, (2, *image.shape), dtype=np.uint8)
    noise = np.add(pair[0], pair[1], dtype=np.int16) - np.int16(255)
    return np.clip(image + np.rint(noise * np.float32(strength)).astype(np.int16), 0, 255).astype(np.uint8)

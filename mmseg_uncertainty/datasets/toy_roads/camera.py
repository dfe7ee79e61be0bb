"""The pinhole camera of a rendered street."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEAREST = 0.6


@dataclass(frozen=True)
class Camera:
    """A camera that looks along the street, with the ground at Y = 0.

    World coordinates in metres: X to the right, Y up, Z ahead of the camera. Pixels: u to the right, v down.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        focal: Focal length in pixels.
        horizon: Row of the horizon.
        centre: Column of the vanishing point.
        elevation: Height of the camera above the ground in metres.
    """

    height: int
    width: int
    focal: float
    horizon: float
    centre: float
    elevation: float

    @classmethod
    def sample(cls, rng: np.random.Generator, size: tuple[int, int]) -> Camera:
        """Draw a camera for an image of ``size`` (height, width)."""
        height, width = size
        return cls(
            height=height,
            width=width,
            focal=width * rng.uniform(0.7, 1.0),
            horizon=height * rng.uniform(0.36, 0.5),
            centre=width * rng.uniform(0.38, 0.62),
            elevation=rng.uniform(1.3, 1.9))

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixel coordinates (n, 2) of world points (n, 3); points closer than :data:`NEAREST` are moved there."""
        points = np.asarray(points, dtype=np.float64)
        scale = self.focal / np.maximum(points[:, 2], NEAREST)
        return np.stack((self.centre + points[:, 0] * scale, self.horizon + (self.elevation - points[:, 1]) * scale), 1)

    def project_board(self, x: float, depth: float, outline: np.ndarray) -> np.ndarray:
        """Pixel coordinates (n, 2) of a board at ``depth`` that faces the camera; its points are relative to ``x``."""
        scale = self.focal / depth
        return outline * (scale, -scale) + (self.centre + x * scale, self.horizon + self.elevation * scale)

    def pixels_per_metre(self, depth: float) -> float:
        """Size in pixels of one metre at ``depth`` metres."""
        return self.focal / max(depth, NEAREST)

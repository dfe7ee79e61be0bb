"""What a scene is painted on: colours and labels in one array, so that they agree to the pixel."""
from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .camera import NEAREST, Camera
from .light import Light

CLASSES = ('road', 'pavement', 'building', 'sky', 'vegetation', 'car', 'person', 'pole')
ROAD, PAVEMENT, BUILDING, SKY, VEGETATION, CAR, PERSON, POLE = range(8)
UNKNOWN = 254
SUBPIXEL_BITS = 4
LARGEST = 4000


class Canvas:
    """Colours and labels of a scene, painted from far to near.

    Args:
        camera: Camera of the scene.
        light: Light of the scene.

    Attributes:
        pixels: Shape (H, W, 4), float32: red, green, blue from 0 to 255, and the label.
    """

    def __init__(self, camera: Camera, light: Light) -> None:
        self.camera = camera
        self.light = light
        self.pixels = np.zeros((camera.height, camera.width, 4), np.float32)

    @property
    def labels(self) -> np.ndarray:
        """Labels, shape (H, W), uint8."""
        return self.pixels[..., 3].astype(np.uint8)

    def polygon(self, corners: np.ndarray, colour: Sequence[float], label: int) -> None:
        """Fill a polygon given in pixels, shape (n, 2), with a colour as the camera sees it."""
        fixed = np.rint(np.clip(corners, -LARGEST, LARGEST) * (1 << SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(self.pixels, [fixed], (*(float(c) for c in colour), float(label)), cv2.LINE_8, SUBPIXEL_BITS)

    def face(self, corners: Sequence[Sequence[float]], colour: Sequence[float], label: int, gain: float = 1.0,
             glows: bool = False) -> None:
        """Fill a flat face of an object.

        Args:
            corners: World points, shape (n, 3), in metres.
            colour: Colour of the surface, RGB.
            label: Class index.
            gain: Shading.
            glows: Whether the face shines by itself.
        """
        corners = np.asarray(corners, dtype=np.float64)
        depth = float(corners[:, 2].sum()) / len(corners)
        if depth >= NEAREST:
            self.polygon(self.camera.project(corners), self._seen(colour, depth, gain, glows), label)

    def board(self, position: tuple[float, float], outline: Sequence[Sequence[float]], colour: Sequence[float],
              label: int, gain: float = 1.0, glows: bool = False) -> None:
        """Fill an outline that faces the camera.

        Args:
            position: X and Z of the foot in metres.
            outline: Points (x, y) relative to the foot, shape (n, 2), in metres.
            colour: Colour of the surface, RGB.
            label: Class index.
            gain: Shading.
            glows: Whether the board shines by itself.
        """
        x, depth = position
        if depth >= NEAREST:
            corners = self.camera.project_board(x, depth, np.asarray(outline, dtype=np.float64))
            self.polygon(corners, self._seen(colour, depth, gain, glows), label)

    def blend(self, mask: np.ndarray, corner: tuple[int, int], colours: np.ndarray, label: int) -> None:
        """Paint textured colours.

        Args:
            mask: Where to paint, shape (h, w), bool.
            corner: Row and column of the mask's first pixel.
            colours: Shape (h, w, 3), as the camera sees them.
            label: Class index.
        """
        region = self.region(corner, mask.shape)
        region[mask, :3] = colours[mask]
        region[mask, 3] = label

    def region(self, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        """View of the pixels of a rectangle inside the image."""
        return self.pixels[corner[0]:corner[0] + size[0], corner[1]:corner[1] + size[1]]

    def box(self, corners: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """First pixel and size of the part of the image that holds the corners (pixels); ``None`` if there is none."""
        left, top = np.floor(corners.min(0)).astype(int)
        right, bottom = np.ceil(corners.max(0)).astype(int) + 1
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, self.camera.width), min(bottom, self.camera.height)
        return None if right <= left or bottom <= top else ((top, left), (bottom - top, right - left))

    def shade_ground(self, position: tuple[float, float], width: float, length: float) -> None:
        """Darken the ground under and beside an object that stands at ``position`` (X, Z)."""
        lean = -self.light.sun * width * 1.2
        half = width * 0.6
        ring = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        points = np.stack((position[0] + lean * 0.5 + (half + abs(lean) * 0.5) * np.cos(ring), np.zeros(16),
                           position[1] + length * 0.5 + length * 0.6 * np.sin(ring)), 1)
        corners = self.camera.project(points)
        box = self.box(corners)
        if box is None or position[1] < NEAREST:
            return
        mask = np.zeros(box[1], np.uint8)
        offset = np.array(box[0][::-1])
        cv2.fillPoly(mask, [np.rint((np.clip(corners, -LARGEST, LARGEST) - offset) * 16).astype(np.int32)], 1,
                     cv2.LINE_8, SUBPIXEL_BITS)
        region = self.region(*box)
        ground = (mask > 0) & (region[..., 3] <= PAVEMENT)
        region[ground, :3] *= self.light.shadow

    def _seen(self, colour: Sequence[float], depth: float, gain: float, glows: bool) -> Sequence[float]:
        return colour if glows else self.light.fall_on_face(colour, depth, gain)

"""Resizes images as the test pipeline of an exported model does, without the packages that the pipeline comes from."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from PIL import Image

from .dataset_error import DatasetError

INTERPOLATIONS = dict(
    cv2=dict(nearest=cv2.INTER_NEAREST, bilinear=cv2.INTER_LINEAR, bicubic=cv2.INTER_CUBIC, area=cv2.INTER_AREA,
             lanczos=cv2.INTER_LANCZOS4),
    pillow=dict(nearest=Image.Resampling.NEAREST, bilinear=Image.Resampling.BILINEAR, bicubic=Image.Resampling.BICUBIC,
                box=Image.Resampling.BOX, lanczos=Image.Resampling.LANCZOS, hamming=Image.Resampling.HAMMING))


class Resizing:
    """The resizing steps of a test pipeline, one after the other.

    Args:
        steps: Each a dict with ``kind``, ``interpolation`` and ``backend`` (``'cv2'`` or ``'pillow'``), and by kind:
            ``'scale'``: ``scale`` (width, height) and ``keep_ratio``; ``'factor'``: ``factors`` of width and height, and
            ``keep_ratio``; ``'shortest_edge'``: ``edge`` and ``max_size``; ``'multiple'``: ``divisor``.

    Examples:
        >>> step = dict(kind='scale', scale=(100, 50), keep_ratio=True, interpolation='bilinear', backend='cv2')
        >>> Resizing([step]).size((120, 160))  # height and width, within 50 and 100
        (50, 67)
    """

    def __init__(self, steps: Sequence[Mapping] = ()) -> None:
        self.steps = tuple(steps)

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width after all steps of an image of this height and width."""
        for step in self.steps:
            size = _size(step, size)
        return size

    def __call__(self, image: np.ndarray, name: str = 'An image') -> np.ndarray:
        """Resize.

        Args:
            image: Shape (H, W, 3), uint8.
            name: What to call the image in errors.

        Raises:
            DatasetError: A step leaves no pixel.
        """
        for step in self.steps:
            height, width = _size(step, image.shape[:2])
            if not height or not width:
                raise DatasetError(f'{name} of {image.shape[1]}×{image.shape[0]} pixels would be resized to '
                                   f'{width}×{height} by the test pipeline of the model. Crop it, or change the Resize step '
                                   'and export again.')
            interpolation = INTERPOLATIONS[step['backend']][step['interpolation']]
            if step['backend'] == 'cv2':
                image = cv2.resize(image, (width, height), interpolation=interpolation)
            else:
                image = np.asarray(Image.fromarray(image).resize((width, height), interpolation))
        return image


def _size(step: Mapping, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width after one step."""
    height, width = size
    if step['kind'] == 'multiple':
        return tuple(-(-side // step['divisor']) * step['divisor'] for side in size)
    if step['kind'] == 'shortest_edge':
        return _within(size, _shortest_edge(size, step['edge'], step['max_size']))
    target = step['scale'] if step['kind'] == 'scale' else (_scaled(width, step['factors'][0]),
                                                            _scaled(height, step['factors'][1]))
    return _within(size, target) if step['keep_ratio'] else (int(target[1]), int(target[0]))


def _within(size: tuple[int, int], scale: Sequence[int]) -> tuple[int, int]:
    """The largest height and width of the same ratio whose longer and shorter sides stay within those of ``scale``."""
    factor = min(max(scale) / max(size), min(scale) / min(size))
    return _scaled(size[0], factor), _scaled(size[1], factor)


def _shortest_edge(size: tuple[int, int], edge: int, max_size: int) -> tuple[int, int]:
    factor = edge / min(size)
    sides = [float(edge) if side == min(size) else factor * side for side in size]
    if max(sides) > max_size:
        factor = max_size / max(sides)
        sides = [side * factor for side in sides]
    return int(sides[0] + 0.5), int(sides[1] + 0.5)


def _scaled(side: int, factor: float) -> int:
    return int(side * float(factor) + 0.5)

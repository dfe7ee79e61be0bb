"""Which part of an image a map shows."""
from __future__ import annotations

from dataclasses import dataclass

from mmseg_uncertainty.runtime.tiles import Window


@dataclass(frozen=True)
class Place:
    """A rectangle of an image.

    Args:
        window: The rectangle.
        size: Height and width of the image.
    """

    window: Window
    size: tuple[int, int]

    @classmethod
    def whole(cls, size: tuple[int, int]) -> Place:
        """All of an image."""
        return cls(Window(0, size[0], 0, size[1]), tuple(size))

"""Rectangles of images, and arrays as large as images."""
from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

TILE = 1024
CONTEXT = 128
FILTER_REACH = 32
IN_MEMORY = 2**26
MOST_LOGITS = 2**28


@dataclass(frozen=True)
class Window:
    """A rectangle of an image: rows ``top`` to ``bottom``, columns ``left`` to ``right``, ends not included."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the rectangle."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    def grown(self, pixels: int, size: tuple[int, int]) -> Window:
        """The rectangle with a margin, as far as the image goes."""
        return Window(max(self.top - pixels, 0), min(self.bottom + pixels, size[0]),
                      max(self.left - pixels, 0), min(self.right + pixels, size[1]))

    def within(self, outer: Window) -> tuple[slice, slice]:
        """Index of the rectangle in one that contains it."""
        return (slice(self.top - outer.top, self.bottom - outer.top),
                slice(self.left - outer.left, self.right - outer.left))


def sliding_windows(size: tuple[int, int], crop: tuple[int, int], stride: tuple[int, int]) -> Iterator[Window]:
    """Windows of sliding-window inference, row by row, as mmseg lays them: the last of a row or column moves back inside.

    Args:
        size: Height and width of the input.
        crop: Height and width of a window; an input that is smaller is covered by one window of its own size.
        stride: Rows and columns from one window to the next.

    Examples:
        >>> for window in sliding_windows((4, 10), crop=(4, 6), stride=(4, 3)):  # the last moves back inside
        ...     print(window.left, window.right)
        0 6
        3 9
        4 10
    """
    def starts(axis: int) -> list[int]:
        steps = max(size[axis] - crop[axis] + stride[axis] - 1, 0) // stride[axis] + 1
        return [max(min(step * stride[axis] + crop[axis], size[axis]) - crop[axis], 0) for step in range(steps)]

    for top in starts(0):
        for left in starts(1):
            yield Window(top, min(top + crop[0], size[0]), left, min(left + crop[1], size[1]))


def allocate(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array, in a temporary file if it is large; the file goes with the array."""
    if np.prod(shape) * np.dtype(dtype).itemsize <= IN_MEMORY:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, 'w+', shape=shape)


def tiles(size: tuple[int, int], side: int) -> Iterator[Window]:
    """Cut an image of this height and width into squares, smaller at the end.

    Examples:
        >>> [window.size for window in tiles((4, 6), side=4)]
        [(4, 4), (4, 2)]
    """
    for top in range(0, size[0], side):
        for left in range(0, size[1], side):
            yield Window(top, min(top + side, size[0]), left, min(left + side, size[1]))

"""Mean of maps over windows that overlap."""
from __future__ import annotations

from torch import Tensor

from mmseg_uncertainty.runtime.tiles import Window


class MergedWindows:
    """Add maps window by window and take their mean, bit for bit as mmseg's sliding-window inference does.

    Args:
        size: Height and width of the whole.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = tuple(size)
        self._whole: Tensor | None = None
        self._sum: Tensor | None = None

    def add(self, window: Window, maps: Tensor) -> None:
        """Add maps (N, C, h, w) of a window; one that covers everything stays as it is."""
        if window.size == self._size:
            self._whole = maps
            return
        if self._sum is None:
            self._sum = maps.new_zeros((*maps.shape[:2], *self._size))
            self._count = maps.new_zeros((1, 1, *self._size))
        self._sum[(..., *window.slices)] += maps
        self._count[(..., *window.slices)] += 1

    def mean(self) -> Tensor:
        """Mean over the windows, shape (N, C, H, W)."""
        return self._whole if self._sum is None else self._sum / self._count

"""A map that knows where it lies."""
from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mmseg_uncertainty.label_values import VOID

from .grid import Grid


@dataclass(frozen=True)
class MapOnGrid:
    """Values at the cells of a grid.

    Args:
        values: Shape (1, C, h, w).
        grid: Where the cells lie.
    """

    values: Tensor
    grid: Grid

    def to_image(self, size: tuple[int, int] | None = None) -> Tensor:
        """The values on the image, shape (1, C, H, W); see :meth:`Grid.to_image`."""
        return self.grid.to_image(self.values, size)

    def labels(self, labels: Tensor, outside: int = VOID) -> Tensor:
        """Labels (H, W) of the image at the cells, shape (h, w); see :meth:`Grid.labels`."""
        return self.grid.labels(labels, outside)

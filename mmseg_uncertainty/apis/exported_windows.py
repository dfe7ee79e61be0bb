"""The base model over an input, in one piece or window by window, for exporters."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.runtime.tiles import Window
from mmseg_uncertainty.structures import Grid, GridOutputs


class PaddedGrid(Grid):
    """A grid whose padding is only known when the graph runs, so that it always has a mask."""

    @property
    def is_padded(self) -> bool:
        """See :class:`~mmseg_uncertainty.structures.Grid`."""
        return True


class WindowPass(nn.Module):
    """One window through the base model and the heads that score where the classifier works.

    Args:
        model: The model.
        heads: Names of the native heads.
    """

    def __init__(self, model: PosthocSegmentor, heads: Sequence[str]) -> None:
        super().__init__()
        self.model, self.heads = model, tuple(heads)
        self.pools = any(getattr(part, 'needs_features', False) for part in (model.calibrator, model.set_head))

    @property
    def channels(self) -> tuple[int, int]:
        """Columns of the two results of :meth:`forward`."""
        return self.model.base.out_channels + len(self.heads), self.model.base.feature_channels + 1 if self.pools else 1

    def forward(self, images: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """Predict a window.

        Args:
            images: Shape (N, 3, h, w).
            place: First row and column of the window, height and width of the padded input, height and width of the input
                without padding; shape (6,), int64.

        Returns:
            Output of the base model and maps of the heads at the size of the window, shape (N, C + M, h, w); sums of the
            features over the cells in the image, and number of these cells, shape (N, F + 1), float64, zero unless the
            calibrator reads them.
        """
        passed = self.model.pass_through(images.to(next(self.model.base.parameters()).dtype), [{}])
        cells = self.model.cells(passed, [self._grid(images, place, passed.native_scores)])
        maps = [passed.scores, *(self._resized(cells.score(self.model.uncertainty_heads[name])[:, None], images)
                                 for name in self.heads)]
        return torch.cat(maps, dim=1), self._pooled(cells)

    def _grid(self, images: Tensor, place: Tensor, native: Tensor) -> Grid:
        top, left, height, width, rows, columns = place.unbind()
        window = Window(top, top + images.shape[2], left, left + images.shape[3])
        return PaddedGrid(tuple(native.shape[2:]), (height, width), window, (0, width - columns, 0, height - rows),
                          align_corners=self.model.align_corners)

    def _resized(self, maps: Tensor, images: Tensor) -> Tensor:
        return F.interpolate(maps, size=images.shape[2:], mode='bilinear', align_corners=self.model.align_corners)

    def _pooled(self, cells: GridOutputs) -> Tensor:
        if not self.pools:
            return torch.zeros_like(cells.logits[:, :1, 0, 0], dtype=torch.float64)
        sums, counts = cells.image_features()
        return torch.cat([sums, counts[:, None].expand(sums.shape[0], 1)], dim=1)


class SlidingPass(nn.Module):
    """:class:`WindowPass` over windows as mmseg lays them, for :func:`torch.jit.script`: files keep it as a loop.

    Args:
        window_pass: A traced :class:`WindowPass`.
        crop: Height and width of a window; smaller inputs are covered by one window of their own size.
        stride: Rows and columns from one window to the next.
        channels: See :attr:`WindowPass.channels`.
    """

    def __init__(self, window_pass: nn.Module, crop: tuple[int, int], stride: tuple[int, int],
                 channels: tuple[int, int]) -> None:
        super().__init__()
        self.window_pass = window_pass
        self.crop_height, self.crop_width = crop
        self.stride_height, self.stride_width = stride
        self.map_channels, self.pooled_channels = channels

    def forward(self, images: Tensor, content: Tensor) -> tuple[Tensor, Tensor]:
        """Predict an input.

        Args:
            images: Shape (N, 3, H', W').
            content: Height and width without padding, shape (2,), int64.

        Returns:
            Maps averaged over windows, shape (N, C + M, H', W'), and pooled features summed, shape (N, F + 1).
        """
        height, width = images.shape[2], images.shape[3]
        rows = max(height - self.crop_height + self.stride_height - 1, 0) // self.stride_height + 1
        columns = max(width - self.crop_width + self.stride_width - 1, 0) // self.stride_width + 1
        total = torch.zeros([images.shape[0], self.map_channels, height, width], device=images.device)
        count = torch.zeros([1, 1, height, width], device=images.device)
        pooled = torch.zeros([images.shape[0], self.pooled_channels], dtype=torch.float64, device=images.device)
        for index in range(rows * columns):
            bottom = min(index // columns * self.stride_height + self.crop_height, height)
            right = min(index % columns * self.stride_width + self.crop_width, width)
            top, left = max(bottom - self.crop_height, 0), max(right - self.crop_width, 0)
            place = torch.cat([torch.tensor([top, left, height, width]), content])
            maps, sums = self.window_pass(images[:, :, top:bottom, left:right], place)
            edges = [left, width - right, top, height - bottom]
            total = total + F.pad(maps, edges)
            count = count + F.pad(torch.ones([1, 1, bottom - top, right - left], device=images.device), edges)
            pooled = pooled + sums
        return total / count, pooled

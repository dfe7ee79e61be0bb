"""Where the cells of a map lie on the image it was computed from."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.label_values import VOID
from mmseg_uncertainty.runtime.tiles import Window

FLIPS = {'horizontal': (False, True), 'vertical': (True, False), 'diagonal': (True, True)}


@dataclass(frozen=True)
class Grid:
    """Cells over a rectangle of the network input, and how that input came from the image.

    An image was resized, perhaps flipped, and padded to the network input. The *content* is the input without its padding:
    labels cover it, at a size of their own. Cells are spaced as :func:`torch.nn.functional.interpolate` spaces them.

    Args:
        size: Rows and columns of the map.
        input_size: Height and width of the network input.
        window: Rectangle of the input that the map covers.
        padding: Pixels of the input beside the content: left, right, top, bottom.
        flip: How the content is mirrored: ``'horizontal'``, ``'vertical'``, ``'diagonal'`` (both), or ``None``.
        image_size: Height and width of the image, ``None`` where they are not known.
        align_corners: Spacing of the cells, and how maps are resized.
        labels_padded: Whether labels were padded and flipped with the image, as in training; they then cover the input.
    """

    size: tuple[int, int]
    input_size: tuple[int, int]
    window: Window
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    flip: str | None = None
    image_size: tuple[int, int] | None = None
    align_corners: bool = False
    labels_padded: bool = False

    @classmethod
    def of_input(cls, size: tuple[int, int], meta: Mapping, align_corners: bool, labels_padded: bool = False) -> Grid:
        """The pixels of a network input.

        Args:
            size: Height and width of the input.
            meta: ``metainfo`` of the sample, as mmseg writes it.
            align_corners: See the class.
            labels_padded: See the class.

        Raises:
            ValueError: The image was flipped in an unknown direction.
        """
        flip = meta.get('flip_direction') if meta.get('flip') else None
        if meta.get('flip') and flip not in FLIPS:
            raise ValueError(f'{meta.get("img_path", "An image")} was flipped in the direction {flip!r}; expected one of '
                             f'{tuple(FLIPS)} in its metainfo.')
        padding = tuple(int(side) for side in meta.get('img_padding_size', meta.get('padding_size', (0, 0, 0, 0))))
        image_size = meta.get('ori_shape')
        return cls(tuple(size), tuple(size), Window(0, size[0], 0, size[1]), padding, flip,
                   None if image_size is None else tuple(image_size[:2]), align_corners, labels_padded)

    def over(self, size: tuple[int, int], window: Window | None = None) -> Grid:
        """Another map of the same input: ``size`` cells over ``window``, by default that of this grid."""
        return replace(self, size=tuple(size), window=self.window if window is None else window)

    @property
    def content(self) -> Window:
        """The input without its padding."""
        left, right, top, bottom = self.padding
        return Window(top, self.input_size[0] - bottom, left, self.input_size[1] - right)

    def valid(self, device: torch.device | None = None) -> Tensor:
        """Whether the centre of each cell lies in the content, shape (h, w), bool."""
        content = self.content
        rows = self._inside(0, content.top, content.bottom)
        columns = self._inside(1, content.left, content.right)
        return (rows[:, None] & columns).to(device)

    @property
    def is_padded(self) -> bool:
        """Whether the input has padding at all."""
        return any(self.padding)

    def labels(self, labels: Tensor, outside: int = VOID) -> Tensor:
        """Labels at the centres of the cells.

        Args:
            labels: Labels that cover the content in the orientation of the image (the input itself with
                :attr:`labels_padded`), at any size, shape (H, W).
            outside: Label of cells in the padding.

        Returns:
            Shape (h, w), of the type of ``labels``.
        """
        rows, columns = (self._nearest(axis, length).to(labels.device) for axis, length in enumerate(labels.shape))
        return labels[rows[:, None], columns].masked_fill(~self.valid(labels.device), outside)

    def to_content(self, maps: Tensor) -> Tensor:
        """Remove padding and flip from maps of the whole input, shape (N, C, H', W')."""
        if self.labels_padded:
            return maps
        maps = maps[(..., *self.content.slices)]
        mirrored = [axis for axis, does in zip((2, 3), FLIPS.get(self.flip, ())) if does]
        return maps.flip(dims=mirrored) if mirrored else maps

    def to_image(self, maps: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Bring maps of the whole input onto the image: remove padding and flip, then resize, as mmseg does with logits.

        Args:
            maps: One value per pixel of the input, shape (N, C, H', W').
            size: Height and width of the result; ``None`` is :attr:`image_size`, or the content where that is unknown.

        Returns:
            Shape (N, C, \\*size).
        """
        maps, size = self.to_content(maps), size or self.image_size
        if size is None or self.labels_padded and tuple(size) == tuple(maps.shape[-2:]):
            return maps
        return F.interpolate(maps, size=tuple(size), mode='bilinear', align_corners=self.align_corners)

    def image_positions(self, size: tuple[int, int] | None = None) -> tuple[Tensor, Tensor]:
        """Where the centres of the cells lie in an image of ``size``, by default :attr:`image_size`.

        Returns:
            Row of each row of cells, shape (h,), and column of each column, shape (w,), float64, in pixels from the centre
            of the first; beyond the image for cells in the padding.
        """
        size = size or self.image_size or self.content.size
        return tuple(self._position(axis, length)[0] for axis, length in enumerate(size))

    def _centres(self, axis: int) -> Tensor:
        """Centres of the cells in pixels of the input."""
        first, end = (self.window.top, self.window.bottom) if axis == 0 else (self.window.left, self.window.right)
        index = torch.arange(self.size[axis], dtype=torch.float64)
        if self.align_corners and self.size[axis] > 1:
            return first + index * (end - first - 1) / (self.size[axis] - 1)
        return first + (index + 0.5) * (end - first) / self.size[axis] - 0.5

    def _inside(self, axis: int, first: int, end: int) -> Tensor:
        centres = self._centres(axis)
        return (centres >= first - 0.5) & (centres <= end - 0.5)

    def _position(self, axis: int, length: int) -> tuple[Tensor, bool]:
        """Centres in pixels of a map of ``length`` over what labels cover, and whether that map is mirrored to get there."""
        covered = Window(0, self.input_size[0], 0, self.input_size[1]) if self.labels_padded else self.content
        first, end = (covered.top, covered.bottom) if axis == 0 else (covered.left, covered.right)
        centres = self._centres(axis) - first
        if self.align_corners and end - first > 1:
            position = centres * (length - 1) / (end - first - 1)
        else:
            position = (centres + 0.5) * length / (end - first) - 0.5
        mirrored = not self.labels_padded and self.flip is not None and FLIPS[self.flip][axis]
        return (length - 1 - position if mirrored else position), mirrored

    def _nearest(self, axis: int, length: int) -> Tensor:
        position, mirrored = self._position(axis, length)
        # Ties go to the later pixel of the input, whichever way it is mirrored.
        nearest = torch.ceil(position - 0.5) if mirrored else torch.floor(position + 0.5)
        return nearest.long().clamp(0, length - 1)

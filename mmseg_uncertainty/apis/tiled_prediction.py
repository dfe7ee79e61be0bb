"""Images too large for one pass: predicted tile by tile, in memory that does not grow with the image."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.segmentors.image_result import write_result
from mmseg_uncertainty.runtime.dataset_error import DatasetError
from mmseg_uncertainty.runtime.tiles import CONTEXT, FILTER_REACH, MOST_LOGITS, TILE, Window, allocate, tiles
from mmseg_uncertainty.structures import Grid, ImageOutputs, MapOnGrid, Place

from .small_inputs import pad_small


class TiledPrediction:
    """Predict one image in tiles with context on all sides.

    An input of at most ``max_pixels`` takes one pass, and only the result is put together tile by tile, which changes
    nothing. A larger input passes through the network in tiles of 1,024 pixels that overlap by 256; a calibrator that reads
    the mean feature of the image lets all tiles pass once more before. Large maps are kept in temporary files; logits and sets
    are returned where all logits have at most 2^28 values.

    Args:
        model: The model.
        max_pixels: Most pixels of one pass through the network.
    """

    def __init__(self, model: PosthocSegmentor, max_pixels: int) -> None:
        self.model, self.max_pixels = model, max_pixels

    def is_needed(self, inputs: Tensor, size: tuple[int, int]) -> bool:
        """Whether an input (3, H', W') with results of this height and width is too large for one pass."""
        return inputs.shape[1] * inputs.shape[2] > self.max_pixels or size[0] * size[1] * self._classes > MOST_LOGITS

    @torch.no_grad()
    def __call__(self, inputs: Tensor, sample: SegDataSample) -> SegDataSample:
        """Predict.

        Args:
            inputs: What the test pipeline made of the image, shape (3, H', W').
            sample: Its sample; ``ori_shape`` is the size of the result.

        Returns:
            A sample as :class:`~mmseg_uncertainty.models.PosthocSegmentor` returns it, with labels of fewer bits.

        Raises:
            DatasetError: The model averages over scales and flips, or has sets that need the whole image.
        """
        if self.model.tta is not None:
            raise DatasetError(f'{sample.get("img_path", "The image")} is too large for one pass, and test-time augmentation '
                               'needs all of it at once. Shrink it, give a larger max_pixels (--max-pixels), or leave out --tta.')
        if getattr(self.model.set_head, 'whole_image', False):
            raise DatasetError(f'{sample.get("img_path", "The image")} is too large for one pass, and '
                               f'{type(self.model.set_head).__name__} needs all of it at once. Shrink it, or give a larger '
                               'max_pixels (--max-pixels).')
        size, input_size = tuple(sample.ori_shape[:2]), tuple(inputs.shape[1:])
        scale = min(1.0, size[0] / input_size[0], size[1] / input_size[1])
        whole = Window(0, input_size[0], 0, input_size[1])
        passed = self._pass(inputs, whole, sample, self._pools) if inputs[0].numel() <= self.max_pixels else None
        means = passed.feature_means if passed else self._feature_means(inputs, sample) if self._pools else None
        merged, result = passed and self._maps(passed), _Canvas(size, self._classes)
        for tile in tiles(size, max(int(TILE * scale), 1)):
            grown = tile.grown(FILTER_REACH, size)
            if merged is not None:
                maps, source = merged, whole
            else:
                source = source_window(grown, size, input_size).grown(CONTEXT, input_size)
                maps = self._maps(self._pass(inputs, source, sample))
            maps = resample(maps, source, input_size, size, grown, self.model.align_corners)
            result.add(self._result(maps, means, sample, Place(grown, size)), tile, tile.within(grown))
        if self.model.pools_features:
            sample.set_metainfo(dict(image_features=means[0]))
        return result.sample(sample)

    @property
    def _classes(self) -> int:
        return self.model.num_classes

    @property
    def _pools(self) -> bool:
        return self.model.pools_features or getattr(self.model.calibrator, 'needs_features', False)

    def _pass(self, inputs: Tensor, window: Window, sample: SegDataSample, pool_features: bool = False,
              keep_windows: bool = False) -> ImageOutputs:
        """A rectangle of the input through the model."""
        crop = inputs[(slice(None), *window.slices)]
        shape = tuple(crop.shape[1:])
        meta = dict(sample.metainfo, ori_shape=shape, img_shape=shape, pad_shape=shape)
        data = dict(inputs=crop, data_samples=SegDataSample(metainfo=meta))
        data = data if self.model.data_preprocessor.test_cfg else pad_small(data)
        data = self.model.data_preprocessor({key: [value] for key, value in data.items()}, False)
        metas = [part.metainfo for part in data['data_samples']]
        return self.model.run(data['inputs'], metas, self.model.native_heads(), keep_windows, pool_features)[0]

    def _maps(self, run: ImageOutputs) -> Tensor:
        """Scores, maps of native heads and the image itself, without padding, shape (C, h, w)."""
        maps = [run.scores, *([run.head_maps] if run.head_maps else []), run.image]
        return torch.cat([part.grid.to_content(part.values)[0] for part in maps])

    def _result(self, maps: Tensor, means: Tensor | None, sample: SegDataSample, place: Place) -> SegDataSample:
        """What follows from the maps of a rectangle of the result."""
        scores, heads, image = maps[None].tensor_split([self.model.base.out_channels, len(maps) - 3], dim=1)
        grid = Grid.of_input(place.window.size, {}, self.model.align_corners)
        run = ImageOutputs(MapOnGrid(scores, grid), MapOnGrid(image, grid), feature_means=means)
        result = self.model.result(scores, heads if heads.shape[1] else None, run, dict(sample.metainfo), place)
        return write_result(result, SegDataSample())

    def _feature_means(self, inputs: Tensor, sample: SegDataSample) -> Tensor:
        """Mean feature of the whole image: every cell counts in the tile in which its centre lies."""
        sums, count = 0., 0.
        for tile in tiles(tuple(inputs.shape[1:]), TILE):
            source = tile.grown(CONTEXT, tuple(inputs.shape[1:]))
            rows, columns = tile.within(source)
            for cells in self._pass(inputs, source, sample, keep_windows=True).windows:
                height, width = cells.grids[0].input_size
                padding = (columns.start, width - columns.stop, rows.start, height - rows.stop)
                inner = replace(cells, grids=(replace(cells.grids[0], padding=padding), ))
                own = inner.image_features()
                sums, count = sums + own[0], count + own[1]
        return sums / count


class _Canvas:
    """Collects tiles."""

    def __init__(self, size: tuple[int, int], num_classes: int) -> None:
        self.size, self.keep_logits = size, size[0] * size[1] * num_classes <= MOST_LOGITS
        self.label_type = torch.uint8 if num_classes <= 256 else torch.int16
        self.fields: dict[tuple[str, str], np.ndarray] = {}

    def add(self, part: SegDataSample, tile: Window, inner: tuple[slice, slice]) -> None:
        """Copy the inner part of a tile's result to its place."""
        for (group, name), values in self._maps(part):
            values = values[(..., *inner)].cpu().numpy()
            if (group, name) not in self.fields:
                self.fields[group, name] = allocate((len(values), *self.size), values.dtype)
            self.fields[group, name][(slice(None), *tile.slices)] = values

    def sample(self, sample: SegDataSample) -> SegDataSample:
        """Everything collected, with the metainfo of the image."""
        grouped: dict[str, PixelData] = {}
        for (group, name), values in self.fields.items():
            grouped.setdefault(group, PixelData()).set_field(torch.from_numpy(values), name)
        result = SegDataSample(metainfo=sample.metainfo)
        result.set_data(grouped)
        return result

    def _maps(self, part: SegDataSample) -> Iterator[tuple[tuple[str, str], Tensor]]:
        for group in part.keys():
            if group not in ('seg_logits', 'class_logits', 'calibrated_logits') or self.keep_logits:
                for name, values in part.get(group).items():
                    if (group, name) == ('pred_sem_seg', 'data'):
                        values = values.to(self.label_type)
                    elif (group, name) == ('prediction_set', 'size'):
                        values = values.to(torch.int16)
                    if name != 'membership' or self.keep_logits:
                        yield (group, name), values


def source_window(window: Window, size: tuple[int, int], source_size: tuple[int, int]) -> Window:
    """Pixels of an input that a rectangle of the result is resized from."""
    vertical, horizontal = (source / output for source, output in zip(source_size, size))
    return replace(window, top=int(window.top * vertical), bottom=-int(-window.bottom * vertical // 1),
                   left=int(window.left * horizontal),
                   right=-int(-window.right * horizontal // 1)).grown(1, source_size)


def resample(maps: Tensor, source: Window, source_size: tuple[int, int], size: tuple[int, int], window: Window,
             align_corners: bool) -> Tensor:
    """A rectangle of what resizing the whole would give.

    Args:
        maps: Shape (C, h, w), the rectangle ``source`` of maps of ``source_size``.
        source: See ``maps``; it holds every pixel that the result depends on.
        source_size: Height and width before resizing.
        size: Height and width after resizing.
        window: The rectangle wanted.
        align_corners: As in :func:`torch.nn.functional.interpolate`, whose bilinear mode this is.

    Returns:
        Shape (C, \\*window).
    """
    if source_size == size:
        return maps[(slice(None), *window.within(source))]
    spans = ((source.top, window.top, window.bottom), (source.left, window.left, window.right))
    for axis, (origin, first, end) in zip((1, 2), spans):
        low, high, share = _neighbours(first, end, source_size[axis - 1], size[axis - 1], align_corners)
        share = share.to(maps).reshape(-1, *[1] * (2 - axis))
        low, high = (maps.index_select(axis, (index - origin).to(maps.device)) for index in (low, high))
        maps = low + (high - low) * share
    return maps


def _neighbours(first: int, end: int, source: int, size: int, align_corners: bool) -> tuple[Tensor, Tensor, Tensor]:
    position = torch.arange(first, end, dtype=torch.float64)
    if align_corners:
        position = position * (source - 1) / max(size - 1, 1)
    else:
        position = ((position + 0.5) * source / size - 0.5).clamp(min=0)
    low = position.floor().long().clamp(max=source - 1)
    return low, (low + 1).clamp(max=source - 1), position - low

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
from mmseg_uncertainty.models.utils import output_to_label_size
from mmseg_uncertainty.runtime.tiles import CONTEXT, TILE, Window, allocate, tiles

from .small_inputs import pad_small

MOST_LOGITS = 2**28
FILTER_REACH = 32


class TiledPrediction:
    """Predict one image in tiles with context on all sides.

    An input of at most ``max_pixels`` takes one pass, and only the result is put together tile by tile, which changes
    nothing. A larger input passes through the network in tiles of 1,024 pixels that overlap by 256. Large maps are kept in
    temporary files; logits and sets are returned where all logits have at most 2^28 values.

    Args:
        model: The model.
        max_pixels: Most pixels of one pass through the network.

    Raises:
        ValueError: The calibrator or set head of the model needs the whole image at once.
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
        """
        self._check_parts()
        size, input_size = tuple(sample.ori_shape[:2]), tuple(inputs.shape[1:])
        scale = min(1.0, size[0] / input_size[0], size[1] / input_size[1])
        whole = Window(0, input_size[0], 0, input_size[1])
        merged = self._pass(inputs, whole, sample) if inputs[0].numel() <= self.max_pixels else None
        result = _Canvas(size, self._classes)
        for tile in tiles(size, max(int(TILE * scale), 1)):
            grown = tile.grown(FILTER_REACH, size)
            if merged is not None:
                maps, source = merged, whole
            else:
                source = source_window(grown, size, input_size).grown(CONTEXT, input_size)
                maps = self._pass(inputs, source, sample)
            maps = resample(maps, source, input_size, size, grown, self.model.align_corners)
            part = SegDataSample(metainfo=dict(ori_shape=maps.shape[1:], img_shape=maps.shape[1:],
                                               img_path=sample.get('img_path')))
            part, = self.model.postprocess_result(maps[None], [part])
            result.add(part, tile, tile.within(grown))
        return result.sample(sample)

    @property
    def _classes(self) -> int:
        return self.model.num_classes

    def _pass(self, inputs: Tensor, window: Window, sample: SegDataSample) -> Tensor:
        """Logits and native maps of a rectangle of the input, shape (C, h, w)."""
        crop = inputs[(slice(None), *window.slices)]
        # mmseg takes a torch.Size for the size of a window of its own and ignores the padding.
        shape = tuple(crop.shape[1:])
        meta = dict(sample.metainfo, ori_shape=shape, img_shape=shape, pad_shape=shape)
        data = dict(inputs=crop, data_samples=SegDataSample(metainfo=meta))
        data = data if self.model.data_preprocessor.test_cfg else pad_small(data)
        data = self.model.data_preprocessor({key: [value] for key, value in data.items()}, False)
        metas = [part.metainfo for part in data['data_samples']]
        return output_to_label_size(self.model.inference(data['inputs'], metas), metas[0], None,
                                    self.model.align_corners)[0]

    def _check_parts(self) -> None:
        for name in ('calibrator', 'set_head'):
            part = getattr(self.model, name)
            if part is not None and (hasattr(part, 'group_map') or part.info.needs & {'features', 'images'}):
                raise ValueError(f'The image is too large for one pass, and {type(part).__name__} needs all of it at once. '
                                 'Shrink the image, give a larger max_pixels (--max-pixels), or leave out the '
                                 f'{name} of the model.')


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
            if group not in ('seg_logits', 'calibrated_logits') or self.keep_logits:
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

"""From an image to its prediction by an exported model, whatever runs it; needs neither torch nor MMSegmentation."""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from .dataset_error import DatasetError
from .prediction import Prediction
from .resizing import Resizing
from .tiles import CONTEXT, FILTER_REACH, MOST_LOGITS, TILE, allocate, tiles

FORMAT = 2
MAX_PIXELS = 2**21
MAP_PREFIX, FLAG_PREFIX = 'uncertainty_', 'flags_'
# Tiles see as far as those of TiledPrediction, which adds a pixel for resizing.
MARGIN = FILTER_REACH + CONTEXT + 1


class ExportedPredictor:
    """Prepare images as the metadata of an exported model says, run it, and collect what it returns.

    Args:
        run: The model: arrays by name of the input, to a list of arrays.
        meta: What :func:`~mmseg_uncertainty.apis.export_metadata.export_metadata` wrote.
        max_pixels: Most pixels of one pass.
    """

    def __init__(self, run: Callable[[dict[str, np.ndarray]], list[np.ndarray]], meta: Mapping[str, str],
                 max_pixels: int = MAX_PIXELS) -> None:
        self.run, self.max_pixels = run, max_pixels
        self.tensors, steps, self.rule, self.whole_image = (
            json.loads(meta[key]) for key in ('tensors', 'resizing', 'prediction', 'whole_image'))
        self.decisions = {name: dict(record, threshold=float(record['threshold']))
                          for name, record in json.loads(meta.get('decisions', '{}')).items()}
        self.resizing, self.inputs = Resizing(steps), [name for name in self.tensors if name in ('images', 'image_size')]
        self.outputs = [name for name in self.tensors if name not in self.inputs]
        self.raw_images, self.takes_rgb = 'uint8' in meta['images'], 'RGB' in meta['images']
        self.mean, self.std = (np.array(json.loads(meta[key]), np.float32) for key in ('mean', 'std'))

    def __call__(self, image: np.ndarray, name: str = 'An image') -> Prediction:
        """Predict one image.

        Args:
            image: Shape (H, W, 3), uint8, BGR.
            name: What to call the image in errors.

        Raises:
            DatasetError: The image cannot be resized as the test pipeline says, or is too large for one pass and a part
                of the model reads the whole image.
        """
        return self.batch([image], name)[0]

    def batch(self, images: Sequence[np.ndarray], name: str = 'An image') -> list[Prediction]:
        """Predict images of one size, in one pass where they need no tiles; see :meth:`__call__`."""
        size, resized = images[0].shape[:2], [self.resizing(image, name) for image in images]
        pixels = resized[0].shape[0] * resized[0].shape[1]
        if pixels <= self.max_pixels and (not self.resizing.steps or size[0] * size[1] * self._channels <= MOST_LOGITS):
            return [self._prediction(outputs) for outputs in self._pass(resized, size)]
        return [self._prediction_of_tiles(image, size, name) for image in resized]

    def _prediction_of_tiles(self, image: np.ndarray, size: tuple[int, int], name: str) -> Prediction:
        """Prediction of a resized image, which was of this height and width."""
        if self.whole_image:
            pixels = image.shape[0] * image.shape[1]
            readers = ' and '.join(self.whole_image)
            raise DatasetError(f'{name} has {pixels} pixels, more than one pass takes, and {readers} of the exported model reads '
                               'the whole image. Shrink it, or give a larger max_pixels (--max-pixels).')
        outputs = self._tiled(image)
        return self._prediction(outputs if image.shape[:2] == size else self._resized(outputs, size))

    @property
    def _channels(self) -> int:
        return self.tensors['logits']['shape'][1]

    def _prediction(self, outputs: Mapping[str, np.ndarray]) -> Prediction:
        membership = outputs.get('set_membership')
        return Prediction(
            labels=outputs['labels'],
            uncertainty={name[len(MAP_PREFIX):]: maps for name, maps in outputs.items() if name.startswith(MAP_PREFIX)},
            set_size=None if membership is None else membership.sum(axis=0),
            set_membership=membership,
            flags={name: outputs[f'{FLAG_PREFIX}{name}'] for name in self.decisions})

    def feeds(self, image: np.ndarray, name: str = 'An image') -> dict[str, np.ndarray]:
        """Inputs of the model for an image; see :meth:`__call__`."""
        return self._feeds([self.resizing(image, name)], image.shape[:2])

    def _feeds(self, images: Sequence[np.ndarray], size: tuple[int, int]) -> dict[str, np.ndarray]:
        """Inputs of the model for resized images, which were of this height and width."""
        feeds = dict(images=np.stack([self._normalize(image) for image in images]), image_size=np.array(size, np.int64))
        return {name: feeds[name] for name in self.inputs}

    def _pass(self, images: Sequence[np.ndarray], size: tuple[int, int]) -> list[dict[str, np.ndarray]]:
        """Outputs of the model for resized images, which were of this height and width."""
        outputs = self.run(self._feeds(images, size))
        return [{name: values[index] for name, values in zip(self.outputs, outputs, strict=True)} for index in range(len(images))]

    def _normalize(self, image: np.ndarray) -> np.ndarray:
        if self.raw_images:
            return np.ascontiguousarray(image[..., ::-1])
        image = image[..., ::-1] if self.takes_rgb else image
        return np.ascontiguousarray(((image.astype(np.float32) - self.mean) / self.std).transpose(2, 0, 1))

    def _tiled(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs at the size of the resized image, put together from tiles."""
        result: dict[str, np.ndarray] = {}
        for tile in tiles(image.shape[:2], TILE):
            window = tile.grown(MARGIN, image.shape[:2])
            for name, values in self._pass([image[window.slices]], window.size)[0].items():
                if name not in result:
                    result[name] = allocate((*values.shape[:-2], *image.shape[:2]), values.dtype)
                result[name][(..., *tile.slices)] = values[(..., *tile.within(window))]
        return result

    def _resized(self, outputs: Mapping[str, np.ndarray], size: tuple[int, int]) -> dict[str, np.ndarray]:
        """Maps brought to the size of the image, for inputs of which the graph sees tiles only."""
        resized = {name: _resize(values, size) for name, values in outputs.items() if name.startswith(MAP_PREFIX)}
        if 'set_membership' in outputs:
            sets = [_resize(values.astype(np.uint8), size, cv2.INTER_NEAREST) for values in outputs['set_membership']]
            resized['set_membership'] = np.stack(sets).astype(bool)
        flags = {f'{FLAG_PREFIX}{name}': resized[MAP_PREFIX + record['head']] > record['threshold']
                 for name, record in self.decisions.items()}
        return dict(resized, **flags, labels=self._labels(outputs['logits'], size))

    def _labels(self, logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Predicted classes, shape ``size``, of logits (C, H', W') resized channel by channel."""
        best = _resize(logits[0], size)
        if self.rule['rule'] == 'threshold':
            return (1 / (1 + np.exp(-best)) > self.rule['threshold']).astype(np.int64)
        labels = np.zeros(size, np.int64)
        for index, channel in enumerate(logits[1:], 1):
            channel = _resize(channel, size)
            labels[channel > best] = index
            best = np.maximum(best, channel)
        return labels


def _resize(values: np.ndarray, size: tuple[int, int], interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
    return cv2.resize(np.ascontiguousarray(values), size[::-1], interpolation=interpolation)

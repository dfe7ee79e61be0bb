"""Predicts images with an exported model; needs ONNX Runtime, and neither torch nor MMSegmentation."""
from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm.auto import tqdm

from .dataset_error import DatasetError
from .image_sources import ImageSource, count_images, each_image, find_images, read_image
from .prediction import Prediction
from .prediction_files import save_prediction, summarize_prediction
from .score_scale import ScoreScale
from .tiles import CONTEXT, TILE, Window, allocate, tiles

MAX_PIXELS = 2**21
SMALLEST_SIDE = 32
MAP_PREFIX = 'uncertainty_'


class OnnxSegmentor:
    """A file written by ``tools/export_onnx.py``, used as :class:`~mmseg_uncertainty.apis.UncertaintyInferencer` is.

    Images are resized as the test pipeline of the exported config resizes them, and maps come back at the size of the image.
    Larger inputs than ``max_pixels`` pass in tiles of 1,024 pixels that overlap by 256.

    Args:
        path: The file.
        thresholds: Value at which a pixel is flagged, by head; by default that of the exported model.
        providers: Execution providers of ONNX Runtime in the order to try, by default the CPU.
        threads: Threads of ONNX Runtime, 0 for as many as there are cores.
        show_progress: Whether to show a progress bar.
        max_pixels: Most pixels of one pass.

    Raises:
        ImportError: onnxruntime is not installed.
        ValueError: The file is no exported model of this project, or a threshold names no head.
    """

    def __init__(self,
                 path: str | Path,
                 thresholds: Mapping[str, float] | None = None,
                 providers: Sequence[str] = ('CPUExecutionProvider', ),
                 threads: int = 0,
                 show_progress: bool = True,
                 max_pixels: int = MAX_PIXELS) -> None:
        self.session = _session(Path(path), providers, threads)
        self.output_names = [output.name for output in self.session.get_outputs()]
        meta = self.session.get_modelmeta().custom_metadata_map
        if 'classes' not in meta or 'labels' not in self.output_names:
            raise ValueError(f'{path} was not written by tools/export_onnx.py (its metadata has no classes). Export the '
                             'model with that tool.')
        self.classes, self.palette, self.resize, self.provenance = (
            json.loads(meta[key]) for key in ('classes', 'palette', 'resize', 'provenance'))
        self.scales = {name: ScoreScale(**scale) for name, scale in json.loads(meta['scales']).items()}
        for name, threshold in (thresholds or {}).items():
            if name not in self.scales:
                raise ValueError(f'A threshold names the head {name!r}; this model has {sorted(self.scales)}.')
            self.scales[name] = self.scales[name].flagging_at(threshold)
        self.raw_images, self.takes_rgb = 'uint8' in meta['images'], 'RGB' in meta['images']
        self.mean, self.std = (np.array(json.loads(meta[key]), np.float32) for key in ('mean', 'std'))
        self.provenance['onnx'] = Path(path).name
        self.provenance['onnx_sha256'] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        self.show_progress, self.max_pixels = show_progress, max_pixels

    def __call__(self,
                 inputs: str | Path | np.ndarray | Sequence[str | Path | np.ndarray],
                 return_predictions: bool = False,
                 out_dir: str | Path = '',
                 channel_order: str = 'bgr',
                 skip_broken: bool = False,
                 every: int = 1) -> dict:
        """Predict; arguments, errors and files as in :class:`~mmseg_uncertainty.apis.UncertaintyInferencer`.

        Args:
            inputs: See :func:`~mmseg_uncertainty.runtime.image_sources.find_images`.
            return_predictions: Whether to return :class:`~mmseg_uncertainty.runtime.prediction.Prediction` instead of
                summaries.
            out_dir: Where to write; ``''`` writes nothing.
            channel_order: Order of the colour channels of arrays, ``'bgr'`` or ``'rgb'``.
            skip_broken: Whether to leave out and report files that cannot be read, instead of stopping.
            every: Frames of a video from one image to the next.

        Returns:
            ``predictions`` and ``skipped``.

        Raises:
            DatasetError: There is no image, or one cannot be read.
        """
        results = dict(predictions=[], skipped=[])
        sources = find_images(inputs, out_dir)
        total = -(-count_images(sources) // every)
        for source in tqdm(each_image(sources, every), desc='predict', total=total, disable=not self.show_progress):
            try:
                image = read_image(source, channel_order)
            except DatasetError as error:
                if not skip_broken:
                    raise
                logging.getLogger(__name__).warning('Left out: %s', error)
                results['skipped'].append(str(error))
                continue
            prediction = self.predict(image)
            summary = summarize_prediction(prediction, self.classes, self.scales)
            if out_dir:
                self._save(out_dir, source, image, prediction, summary)
            results['predictions'].append(prediction if return_predictions else summary)
        return results

    def predict(self, image: np.ndarray) -> Prediction:
        """Predict one image, shape (H, W, 3), uint8, BGR."""
        size = image.shape[:2]
        resized = cv2.resize(image, self._network_size(size)[::-1], interpolation=cv2.INTER_LINEAR)
        outputs = self._whole(resized) if resized.shape[0] * resized.shape[1] <= self.max_pixels else self._tiled(resized)
        membership = outputs.get('set_membership')
        if resized.shape[:2] != size:
            outputs = {name: _resized(values, size) for name, values in outputs.items() if values.dtype != bool}
            outputs['labels'] = outputs['logits'].argmax(axis=0)
            if membership is not None:
                membership = _resized(membership.astype(np.uint8), size, cv2.INTER_NEAREST).astype(bool)
        return Prediction(
            labels=outputs['labels'],
            uncertainty={name: outputs[MAP_PREFIX + name] for name in self.scales},
            set_size=None if membership is None else membership.sum(axis=0),
            set_membership=membership)

    def _save(self, out_dir: str | Path, source: ImageSource, image: np.ndarray, prediction: Prediction,
              summary: dict) -> None:
        summary = dict(image=source.label, **summary, model=self.provenance)
        rgb = np.ascontiguousarray(image[..., ::-1])
        save_prediction(out_dir, source.name, rgb, prediction, summary, self.classes, self.palette, self.scales)

    def _network_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width after the Resize step of the test pipeline."""
        if not self.resize:
            return size
        width, height = self.resize['scale']
        if not self.resize['keep_ratio']:
            return height, width
        factor = min(max(width, height) / max(size), min(width, height) / min(size))
        return tuple(max(int(side * factor + 0.5), 1) for side in size)

    def _whole(self, image: np.ndarray) -> dict[str, np.ndarray]:
        height, width = image.shape[:2]
        padding = [(0, max(SMALLEST_SIDE - side, 0)) for side in (height, width)]
        padded = np.pad(image, [*padding, (0, 0)], mode='edge')
        outputs = self.session.run(None, {self.session.get_inputs()[0].name: self._normalize(padded)[None]})
        return {name: values[0][..., :height, :width] for name, values in zip(self.output_names, outputs)}

    def _normalize(self, image: np.ndarray) -> np.ndarray:
        if self.raw_images:
            return np.ascontiguousarray(image[..., ::-1])
        image = image[..., ::-1] if self.takes_rgb else image
        return np.ascontiguousarray(((image.astype(np.float32) - self.mean) / self.std).transpose(2, 0, 1))

    def _tiled(self, image: np.ndarray) -> dict[str, np.ndarray]:
        result: dict[str, np.ndarray] = {}
        for tile, window in self._windows(image.shape[:2]):
            for name, values in self._whole(image[window.slices]).items():
                if name not in result:
                    result[name] = allocate((*values.shape[:-2], *image.shape[:2]), values.dtype)
                result[name][(..., *tile.slices)] = values[(..., *tile.within(window))]
        return result

    @staticmethod
    def _windows(size: tuple[int, int]) -> Iterator[tuple[Window, Window]]:
        for tile in tiles(size, TILE):
            yield tile, tile.grown(CONTEXT, size)


def _session(path: Path, providers: Sequence[str], threads: int):
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('Running an ONNX file needs onnxruntime, which is not installed. Run `pip install '
                                  'onnxruntime`.', name='onnxruntime') from error
    if not path.is_file():
        raise FileNotFoundError(f'{path} does not exist. Write it with tools/export_onnx.py.')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=list(providers))
    except Exception as error:
        raise ValueError(f'{path} is not a model that ONNX Runtime {onnxruntime.__version__} can load '
                         f'({str(error).splitlines()[0][:200]}). Export it again with tools/export_onnx.py.') from error


def _resized(values: np.ndarray, size: tuple[int, int], interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
    """Resize maps (H', W') or (C, H', W') channel by channel; integers are left for the caller to compute anew."""
    if values.dtype.kind == 'i':
        return values
    resized = [cv2.resize(channel, size[::-1], interpolation=interpolation)
               for channel in values.reshape(-1, *values.shape[-2:])]
    return np.stack(resized).reshape(*values.shape[:-2], *size)

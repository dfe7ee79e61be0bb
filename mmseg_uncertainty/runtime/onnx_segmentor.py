"""Predicts images with an exported model; needs ONNX Runtime, and neither torch nor MMSegmentation."""
from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from .dataset_error import DatasetError
from .exported_predictor import FORMAT, MAX_PIXELS, ExportedPredictor
from .flag_summary import flagging_scales, summarize_flags
from .image_sources import count_images, each_image, find_images, read_image
from .model_facts import ModelFacts
from .prediction import Prediction
from .prediction_files import summarize_prediction
from .prediction_writer import PredictionWriter, SaveOptions, in_order, spread
from .score_scale import ScoreScale


class OnnxSegmentor:
    """A file written by ``mmseg-uncertainty export``, used as :class:`~mmseg_uncertainty.apis.UncertaintyInferencer` is.

    Images are resized as the test pipeline of the exported config resizes them; the graph does everything else. Inputs of
    more than ``max_pixels`` pass in tiles of 1,024 pixels with context around them.

    Args:
        path: The file.
        thresholds: Value from which on a pixel is flagged, by head; see
            :func:`~mmseg_uncertainty.runtime.flag_summary.flagging_scales`.
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
        session = _session(Path(path), providers, threads)
        meta = session.get_modelmeta().custom_metadata_map
        names = [output.name for output in session.get_outputs()]
        if 'classes' not in meta or 'labels' not in names:
            raise ValueError(f'{path} was not written by mmseg-uncertainty export (its metadata has no classes). Export the '
                             'model with that tool.')
        if json.loads(meta.get('format', '1')) != FORMAT:
            raise ValueError(f'{path} was written by another version of mmseg-uncertainty export (format '
                             f'{meta.get("format", 1)}, expected {FORMAT}) and may lack padding, windows or resizing. Export the '
                             'model again.')
        self.predictor = ExportedPredictor(lambda feeds: session.run(None, feeds), meta, max_pixels)
        self.classes, self.palette, self.provenance = (json.loads(meta[key]) for key in ('classes', 'palette', 'provenance'))
        self.scales = {name: ScoreScale(**scale) for name, scale in json.loads(meta['scales']).items()}
        self.scales = flagging_scales(self.scales, self.predictor.decisions, thresholds or {})
        self.provenance['onnx'] = Path(path).name
        self.provenance['onnx_sha256'] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        self.facts = ModelFacts(self.classes, self.palette, self.scales, self.predictor.decisions, self.provenance,
                                tuple(thresholds or {}), dict(max_pixels=max_pixels))
        self.show_progress = show_progress

    def __call__(self,
                 inputs: str | Path | np.ndarray | Sequence[str | Path | np.ndarray],
                 return_predictions: bool = False,
                 out_dir: str | Path = '',
                 channel_order: str = 'bgr',
                 skip_broken: bool = False,
                 every: int = 1,
                 save: SaveOptions | None = None) -> dict:
        """Predict; arguments, errors and files as in :class:`~mmseg_uncertainty.apis.UncertaintyInferencer`.

        Args:
            inputs: See :func:`~mmseg_uncertainty.runtime.image_sources.find_images`.
            return_predictions: Whether to return :class:`~mmseg_uncertainty.runtime.prediction.Prediction` instead of
                summaries.
            out_dir: Where to write; ``''`` writes nothing.
            channel_order: Order of the colour channels of arrays, ``'bgr'`` or ``'rgb'``.
            skip_broken: Whether to leave out and report files that cannot be read, instead of stopping.
            every: Frames of a video from one image to the next.
            save: What to write to ``out_dir``, and whether to go on with an earlier run there.

        Returns:
            ``predictions`` and ``skipped``.

        Raises:
            DatasetError: There is no image, or one cannot be read or resized.
            ValueError: An image is too large for one pass, and a part of the model reads the whole image.
        """
        save = save or SaveOptions()
        save.check_run(out_dir, return_predictions=return_predictions)
        sources, found, skipped = find_images(inputs, out_dir), {}, []
        writer = PredictionWriter(out_dir, save, self.facts, every) if out_dir else None
        order = spread(sources) if writer else sources
        total = -(-count_images(sources) // every)
        for source in tqdm(each_image(order, every), desc='predict', total=total, disable=not self.show_progress):
            kept = writer.kept(source) if writer else None
            if kept is not None:
                found[source.name] = kept
                continue
            try:
                image = read_image(source, channel_order)
                prediction = self.predict(image, source.label)
            except DatasetError as error:
                if not skip_broken:
                    raise
                logging.getLogger(__name__).warning('Left out: %s', error)
                skipped.append(str(error))
                continue
            flags = summarize_flags(prediction, self.predictor.decisions)
            summary = summarize_prediction(prediction, self.classes, self.scales, flags)
            if writer:
                rgb = np.ascontiguousarray(image[..., ::-1])
                writer.add(source, rgb, prediction, dict(image=source.label, **summary, model=self.provenance))
            found[source.name] = prediction if return_predictions else summary
        if writer:
            writer.finish()
        return dict(predictions=in_order(found, sources), skipped=skipped)

    def predict(self, image: np.ndarray, name: str = 'An image') -> Prediction:
        """Predict one image; see :class:`~mmseg_uncertainty.runtime.exported_predictor.ExportedPredictor`."""
        return self.predictor(image, name)

    def predict_batch(self, images: Sequence[np.ndarray]) -> list[Prediction]:
        """Predict images of one size, BGR, in one pass; see :meth:`predict`."""
        return self.predictor.batch(images)


def _session(path: Path, providers: Sequence[str], threads: int):
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('Running an ONNX file needs onnxruntime, which is not installed. Run `pip install '
                                  'onnxruntime`.', name='onnxruntime') from error
    if not path.is_file():
        raise FileNotFoundError(f'{path} does not exist. Write it with mmseg-uncertainty export.')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry('session.set_denormal_as_zero', '1')
    # Warnings are about names inside the loop over windows, and nothing that a user could change.
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=list(providers))
    except Exception as error:
        raise ValueError(f'{path} is not a model that ONNX Runtime {onnxruntime.__version__} can load '
                         f'({str(error).splitlines()[0][:200]}). Export it again with mmseg-uncertainty export.') from error

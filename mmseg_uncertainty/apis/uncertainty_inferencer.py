"""Predict images of any kind with a posthoc model."""
from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from mmengine.logging import print_log
from mmseg.structures import SegDataSample
from tqdm.auto import tqdm

from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.segmentors.test_time_views import TestTimeViews
from mmseg_uncertainty.runtime.flag_summary import flagging_scales, summarize_flags
from mmseg_uncertainty.runtime.image_sources import ImageSource, count_images, each_image, find_images, read_image
from mmseg_uncertainty.runtime.maps_page import draw_maps
from mmseg_uncertainty.runtime.model_facts import ModelFacts
from mmseg_uncertainty.runtime.prediction import Prediction
from mmseg_uncertainty.runtime.prediction_files import summarize_prediction
from mmseg_uncertainty.runtime.prediction_writer import PredictionWriter, SaveOptions, in_order, spread
from mmseg_uncertainty.runtime.score_ranges import ScoreRanges
from mmseg_uncertainty.visualization.uncertainty_figure import prediction_of

from .config_files import load_config, type_name
from .load_posthoc import load_posthoc
from .model_index import resolve_model
from .run_config import test_pipeline
from .small_inputs import pad_small
from .tiled_prediction import TiledPrediction

# Steps of test pipelines for which the inferencer has done the work, or has nothing to work on.
LOADING = ('LoadImageFromFile', 'LoadLabels', 'LoadBravoLabels', 'LoadAnnotations', 'LoadOneDLAnnotations', 'RenderToyRoads',
           'SeedAugmentations', 'KeepRegion', 'LoadDistances')
MAX_PIXELS = 2**21


class UncertaintyInferencer(BaseInferencer):
    """Predict classes, uncertainty and prediction sets for files, folders, patterns, videos and arrays.

    Images go through the test pipeline of the config and come back at their own size; huge ones pass in tiles, see
    :class:`~mmseg_uncertainty.apis.tiled_prediction.TiledPrediction`. Results are written as they come and only summaries
    are kept, so memory does not grow with the number of images.

    Args:
        model: Name of a model in ``model-index.yml``, path of a config, or a config. A plain segmentor gets heads that
            need no fitting.
        weights: Checkpoint that fills the base model and all heads; a named model has its own.
        device: Where to run; by default the best there is.
        thresholds: Value from which on a pixel is flagged, by head; see
            :func:`~mmseg_uncertainty.runtime.flag_summary.flagging_scales`.
        show_progress: Whether to show a progress bar.
        max_pixels: Most pixels of one pass through the network; larger inputs are cut in tiles.
        tta: Arguments of :class:`~mmseg_uncertainty.models.segmentors.test_time_views.TestTimeViews`, to average predictions
            over scales and flips; ``None`` predicts images as they are.

    Raises:
        CheckpointError: The checkpoint is unsafe or does not fit.
        ValueError: No model has this name, the config describes no segmentor, or a threshold names no head.
    """

    visualize_kwargs: set = {'return_vis'}
    postprocess_kwargs: set = {'return_datasamples'}

    def __init__(self,
                 model: str | Path | dict | Config,
                 weights: str | Path | None = None,
                 device: str | None = None,
                 thresholds: Mapping[str, float] | None = None,
                 show_progress: bool = True,
                 max_pixels: int = MAX_PIXELS,
                 tta: Mapping | None = None) -> None:
        if isinstance(model, (str, Path)):
            path, weights = resolve_model(model, weights)
            self._config_path, model = str(path), load_config(path)
        super().__init__(model, weights, device, 'mmseg', show_progress)
        if tta is not None:
            self.model.tta = TestTimeViews(**tta)
        self.tiled = TiledPrediction(self.model, max_pixels)
        self.classes, self.palette = self.model.dataset_meta['classes'], self.model.dataset_meta['palette']
        self.decisions = {name: decision.record() for name, decision in self.model.decisions.items()}
        self.scales = flagging_scales(self.model.score_scales(), self.decisions, thresholds or {})
        self.facts = ModelFacts(self.classes, self.palette, self.scales, self.decisions, self.model.provenance,
                                tuple(thresholds or {}), dict(tta=tta, max_pixels=max_pixels))

    def __call__(self,
                 inputs: str | Path | np.ndarray | Sequence[str | Path | np.ndarray],
                 return_datasamples: bool = False,
                 batch_size: int = 1,
                 out_dir: str | Path = '',
                 return_vis: bool = False,
                 channel_order: str = 'bgr',
                 skip_broken: bool = False,
                 every: int = 1,
                 save: SaveOptions | None = None) -> dict:
        """Predict.

        Args:
            inputs: See :func:`~mmseg_uncertainty.runtime.image_sources.find_images`.
            return_datasamples: Whether to return samples instead of summaries.
            batch_size: Most images in one pass; neighbours of one size share a pass.
            out_dir: Where to write results; ``''`` writes nothing.
            return_vis: Whether to return a page with the maps of every image.
            channel_order: Order of the colour channels of arrays, ``'bgr'`` or ``'rgb'``.
            skip_broken: Whether to leave out and report files that cannot be read, instead of stopping.
            every: Frames of a video from one image to the next.
            save: What to write to ``out_dir``, and whether to go on with an earlier run there.

        Returns:
            ``predictions`` (a summary or sample of each image), ``visualization`` (pictures (H', W', 3), uint8, RGB, if
            asked for) and ``skipped`` (a message for each image left out).

        Raises:
            DatasetError: There is no image, or one cannot be read.
            ValueError: Samples or pictures are asked for of a run that is resumed, which finds summaries alone, or that run had
                another model or other options.
        """
        save = save or SaveOptions()
        save.check_run(out_dir, return_datasamples=return_datasamples, return_vis=return_vis)
        sources, found, skipped = find_images(inputs, out_dir), {}, []
        writer = PredictionWriter(out_dir, save, self.facts, every) if out_dir else None
        order = spread(sources) if writer else sources
        total = -(-count_images(sources) // every)
        with tqdm(each_image(order, every), desc='predict', total=total, disable=not self.show_progress) as bar:
            images = self._read(self._missing(bar, writer, found), channel_order, skipped if skip_broken else None)
            for batch in _batches(images, batch_size):
                samples = self._predict([data for _, data in batch])
                for (source, data), sample in zip(batch, samples):
                    found[source.name] = self._packed(source, data['rgb'], sample, return_datasamples, writer, return_vis)
        if writer:
            writer.finish()
        results = in_order(found, sources)
        return dict(predictions=[entry for result in results for entry in result['predictions']],
                    visualization=[entry for result in results for entry in result['visualization']], skipped=skipped)

    def predict_batch(self, images: Sequence[np.ndarray]) -> list[Prediction]:
        """Predict images of one size, BGR, in one pass.

        Args:
            images: Each of shape (H, W, 3), uint8.

        Raises:
            DatasetError: An image does not go through the test pipeline.
        """
        samples = self(list(images), return_datasamples=True, batch_size=len(images))['predictions']
        return [prediction_of(sample) for sample in samples]

    def visualize(self, inputs: Sequence[np.ndarray], preds: Sequence[SegDataSample], return_vis: bool = True) -> list:
        """Pages (H', W', 3), uint8, RGB, with the maps of images (H, W, 3), uint8, RGB, on the same scales."""
        if not return_vis:
            return []
        ranges, predictions = ScoreRanges(self.scales), [prediction_of(sample) for sample in preds]
        for prediction in predictions:
            ranges.see(prediction)
        return [draw_maps(image, prediction, self.classes, self.palette, self.scales, ranges.limits())
                for image, prediction in zip(inputs, predictions)]

    def postprocess(self,
                    preds: Sequence[SegDataSample],
                    visualization: list,
                    return_datasamples: bool = False) -> dict:
        """Pack samples, or summaries of them, with their pictures."""
        predictions = preds if return_datasamples else [
            self._summary(prediction_of(sample)) for sample in preds]
        return dict(predictions=list(predictions), visualization=visualization)

    def _summary(self, prediction: Prediction) -> dict:
        flags = summarize_flags(prediction, self.decisions)
        return summarize_prediction(prediction, self.classes, self.scales, flags)

    def _predict(self, batch: list[dict]) -> list[SegDataSample]:
        if batch[0]['tiled']:
            return [self.tiled(data['inputs'], data['data_samples']) for data in batch]
        return self.forward(self.collate_fn(batch))

    def _packed(self, source: ImageSource, image: np.ndarray, sample: SegDataSample, return_datasamples: bool,
                writer: PredictionWriter | None, return_vis: bool) -> dict:
        prediction = prediction_of(sample)
        summary = self._summary(prediction) if writer or not return_datasamples else {}
        if writer:
            writer.add(source, image, prediction, dict(image=source.label, **summary, model=self.model.provenance))
        return dict(predictions=[sample if return_datasamples else summary],
                    visualization=self.visualize([image], [sample], return_vis))

    def _missing(self, sources: Iterable[ImageSource], writer: PredictionWriter | None, found: dict) -> Iterator[ImageSource]:
        """Images that no earlier run finished; the summaries of others are found."""
        for source in sources:
            summary = writer.kept(source) if writer else None
            if summary is None:
                yield source
            else:
                found[source.name] = dict(predictions=[summary], visualization=[])

    def _read(self, sources: Iterable[ImageSource], channel_order: str,
              skipped: list[str] | None) -> Iterator[tuple[ImageSource, dict]]:
        for source in sources:
            try:
                image = read_image(source, channel_order)
                data = self._network_input(image, source)
            except DatasetError as error:
                if skipped is None:
                    raise
                print_log(f'Left out: {error}', 'current', logging.WARNING)
                skipped.append(str(error))
                continue
            yield source, dict(data, rgb=np.ascontiguousarray(image[..., ::-1]))

    def _network_input(self, image: np.ndarray, source: ImageSource) -> dict:
        fields = dict(img=image, img_path=source.label, img_shape=image.shape[:2], ori_shape=image.shape[:2],
                      seg_fields=[])
        try:
            data = self.pipeline(fields)
        except cv2.error as error:
            raise DatasetError(f'{source.label} of {image.shape[1]}×{image.shape[0]} pixels does not go through the '
                               f'test pipeline of the config ({error.err}). Crop it, or change the Resize '
                               'step.') from error
        data['tiled'] = self.tiled.is_needed(data['inputs'], image.shape[:2])
        # With a test_cfg the data preprocessor pads by itself.
        return data if data['tiled'] or self.model.data_preprocessor.test_cfg else pad_small(data)

    def _init_model(self, cfg: Config, weights: str, device: str = 'cpu') -> PosthocSegmentor:
        model = load_posthoc(cfg, weights, device)
        model.provenance['config'] = getattr(self, '_config_path', None)
        return model

    def _init_pipeline(self, cfg: Config) -> Compose:
        return image_pipeline(cfg)

    def _init_collate(self, cfg: Config):
        return lambda items: dict(inputs=[item['inputs'] for item in items],
                                  data_samples=[item['data_samples'] for item in items])

    def _init_visualizer(self, cfg: Config) -> None:
        """Pictures are figures, drawn without a visualizer."""


def image_pipeline(config: Config) -> Compose:
    """Test pipeline of a config, without the steps that load images and labels.

    Raises:
        ValueError: The config has no test pipeline.
    """
    pipeline = test_pipeline(config)
    if not pipeline:
        raise ValueError('The config has no test_pipeline and no test_dataloader.dataset.pipeline, so it does not say '
                         'how images become inputs of the model. Add one, for example [dict(type="LoadImageFromFile"), '
                         'dict(type="PackSegInputs")].')
    return Compose([step for step in pipeline if type_name(step['type']) not in LOADING])


def _batches(images: Iterable[tuple[ImageSource, dict]], size: int) -> Iterator[list[tuple[ImageSource, dict]]]:
    batch: list[tuple[ImageSource, dict]] = []
    for source, data in images:
        if batch and (len(batch) >= size or batch[0][1]['inputs'].shape != data['inputs'].shape):
            yield batch
            batch = []
        batch.append((source, data))
    if batch:
        yield batch

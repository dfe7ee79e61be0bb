"""Example images that the model was neither trained nor calibrated on."""
from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log
from mmseg.registry import DATASETS

from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.datasets.scene_overlap import dataset_contents, refuse_overlap
from mmseg_uncertainty.runtime.image_sources import find_images, read_image


@dataclass(frozen=True)
class Example:
    """An example image.

    Args:
        name: What the app calls it.
        image: Shape (H, W, 3), uint8, BGR.
        truth: Labels, shape (H, W), 255 = void, where they are known.
    """

    name: str
    image: np.ndarray
    truth: np.ndarray | None = None


def test_examples(config: Config, count: int, calibration: Mapping | None = None) -> list[Example]:
    """Test images of a config, evenly spaced, with their labels; none where the data are not at hand.

    Args:
        config: Config with a ``test_dataloader``.
        count: Most examples.
        calibration: Contents of the calibration set, to be kept apart from the examples.

    Raises:
        SceneOverlapError: The model was calibrated on test images.
    """
    settings = (config.get('test_dataloader') or {}).get('dataset')
    if not settings or not count:
        return []
    try:
        dataset = DATASETS.build(settings)
    except (DatasetError, FileNotFoundError) as error:
        print_log(f'No example images, since the test data are not at hand: {error}', 'current', logging.WARNING)
        return []
    if calibration:
        refuse_overlap(calibration, dataset_contents(dataset), 'The model')
    indices = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).astype(int)
    return [_example(dataset, int(index)) for index in indices]


def folder_examples(folder: str | Path, count: int, calibration: Mapping | None = None) -> list[Example]:
    """Images of a folder whose names are not among those the model was calibrated on.

    Args:
        folder: Folder of images.
        count: Most examples.
        calibration: Contents of the calibration set.

    Raises:
        DatasetError: The folder holds no image, or none that was held out.
    """
    used = {Path(path).stem for path in (calibration or {}).get('images', ())}
    sources = [source for source in find_images(Path(folder)) if Path(source.name).stem not in used]
    if not sources:
        raise DatasetError(f'All images of {folder} have the names of calibration images. Give images that the model has '
                           'not seen.')
    return [Example(source.name, read_image(source)) for source in sources[:count]]


def _example(dataset, index: int) -> Example:
    info = dataset.get_data_info(index)
    sample = dataset[index]['data_samples']
    if 'render' in info:
        from mmseg_uncertainty.datasets.toy_roads import render_street_scene
        image = np.ascontiguousarray(render_street_scene(**info['render'])[0][..., ::-1])
    else:
        image = read_image(find_images(info['img_path'])[0])
    truth = sample.gt_sem_seg.data[0].numpy().astype(np.uint8) if 'gt_sem_seg' in sample else None
    if truth is not None and truth.shape != image.shape[:2]:
        truth = None
    return Example(Path(str(info['img_path'])).stem, image, truth)

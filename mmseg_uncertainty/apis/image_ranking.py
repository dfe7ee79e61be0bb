"""Orders a collection of images by how much a label of each would teach."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.functional.k_center import k_center
from mmseg_uncertainty.runtime.image_sources import ImageSource

from .frame_statistics import file_state
from .image_statistics import check_statistic
from .measured_images import ImageMeasurer, MeasuredImages, Part

PART_SIZE = 32


@dataclass(frozen=True)
class RankedImage:
    """An image and its place.

    Args:
        source: The image.
        rank: Its place by the statistic, from 1.
        number: The statistic; larger is stranger.
        size: Height and width in pixels.
    """

    source: ImageSource
    rank: int
    number: float
    size: tuple[int, int]


class Measurements:
    """What is known of the images of a collection by one model, kept in files of a folder.

    Args:
        folder: Where the files are; those of other weights, heads or configs have a folder of their own.
        measurer: The model.
        sources: The images.

    Raises:
        DatasetError: There is a video among them.
    """

    def __init__(self, folder: Path, measurer: ImageMeasurer, sources: Sequence[ImageSource]) -> None:
        video = next((source for source in sources if source.is_video), None)
        if video is not None:
            raise DatasetError(f'{video.label} is a video; labelling tools read files of images. Write its frames as images, '
                               f'such as with `ffmpeg -i {Path(video.label).name} frames/%06d.png`, and rank that folder.')
        facts = dict(names=measurer.names, **measurer.inferencer.model.provenance)
        self.folder, self.names = folder / _digest([json.dumps(facts, sort_keys=True, default=str)]), measurer.names
        self.sources = {file_state(source): source for source in sources}

    def missing(self) -> list[Part]:
        """Parts of what was not measured yet."""
        known = set(self._kept().keys.tolist())
        left = [(key, source) for key, source in self.sources.items() if key not in known]
        parts = (left[start:start + PART_SIZE] for start in range(0, len(left), PART_SIZE))
        return [Part(self.folder / f'{_digest([key for key, _ in part])}.npz', tuple(source for _, source in part))
                for part in parts]

    def ranked(self, statistic: str) -> tuple[list[RankedImage], np.ndarray]:
        """Images that were measured, the strangest first, and their features (n, C).

        Raises:
            ValueError: The model has no such statistic.
        """
        check_statistic(statistic, self.names)
        kept = self._kept()
        found = kept.of(sorted(set(self.sources) & set(kept.keys.tolist())))
        numbers = found.numbers[:, self.names.index(statistic)]
        order = np.argsort(-numbers, kind='stable')
        return [RankedImage(self.sources[found.keys[row]], rank, float(numbers[row]), tuple(found.sizes[row].tolist()))
                for rank, row in enumerate(order, start=1)], found.features[order]

    def _kept(self) -> MeasuredImages:
        parts = [MeasuredImages.from_file(path) for path in sorted(self.folder.glob('*.npz'))]
        return MeasuredImages.together([part for part in parts if len(part.keys)] or [MeasuredImages.none(self.names)])


def choose_images(ranked: Sequence[RankedImage], features: np.ndarray, count: int, diversity: int = 1) -> list[RankedImage]:
    """Choose images to label.

    Args:
        ranked: Images, the strangest first.
        features: Their mean features, shape (n, C).
        count: Number of images to choose.
        diversity: 1 takes the strangest; D > 1 covers the D x ``count`` strangest by k centres on standardized features,
            beginning with the strangest, so that near copies of one scene are not all labelled.

    Returns:
        Images in the order in which they should be labelled.

    Raises:
        ValueError: There are no features to tell images apart by.
    """
    if diversity <= 1:
        return list(ranked[:count])
    if not features.shape[1]:
        raise ValueError('--diversity: the base model yields no features to tell images apart by. Name a layer with features_from '
                         'of the base, or leave --diversity out.')
    candidates = features[:diversity * count].astype(np.float64)
    deviation = candidates.std(axis=0)
    standardized = (candidates - candidates.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    return [ranked[index] for index in k_center(standardized, count)]


def _digest(keys: Sequence[str]) -> str:
    return hashlib.sha256('\n'.join(keys).encode(errors='surrogateescape')).hexdigest()[:24]

"""Statistics and pooled features of many images, measured in parts that any process can take."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.runtime.image_sources import ImageSource, read_image
from mmseg_uncertainty.runtime.output_files import whole_file

from .frame_statistics import file_state
from .image_statistics import image_statistic, statistic_names
from .uncertainty_inferencer import UncertaintyInferencer


@dataclass(frozen=True)
class MeasuredImages:
    """What one pass says of n images.

    Args:
        keys: Name and state of each file, shape (n,), str.
        names: Names of the statistics.
        numbers: Statistics, shape (n, S), float64.
        features: Mean features, shape (n, C), float32; C is 0 for a model without features.
        sizes: Heights and widths, shape (n, 2), int64.
    """

    keys: np.ndarray
    names: tuple[str, ...]
    numbers: np.ndarray
    features: np.ndarray
    sizes: np.ndarray

    def to_bytes(self) -> bytes:
        """The content of a file."""
        content = BytesIO()
        np.savez(content, keys=self.keys, names=np.array(self.names, str), numbers=self.numbers, features=self.features,
                 sizes=self.sizes)
        return content.getvalue()

    @classmethod
    def from_file(cls, path: Path) -> MeasuredImages:
        """Read what :meth:`to_bytes` gave."""
        with np.load(path, allow_pickle=False) as kept:
            return cls(kept['keys'], tuple(kept['names'].tolist()), kept['numbers'], kept['features'], kept['sizes'])

    @classmethod
    def none(cls, names: Sequence[str]) -> MeasuredImages:
        """No images."""
        return cls(np.zeros(0, str), tuple(names), np.zeros((0, len(names))), np.zeros((0, 0), np.float32),
                   np.zeros((0, 2), np.int64))

    @classmethod
    def together(cls, parts: Sequence[MeasuredImages]) -> MeasuredImages:
        """Several parts as one."""
        return cls(np.concatenate([part.keys for part in parts]), parts[0].names, *(
            np.concatenate([getattr(part, name) for part in parts]) for name in ('numbers', 'features', 'sizes')))

    def of(self, keys: Sequence[str]) -> MeasuredImages:
        """The images of these keys, in their order."""
        rows = {key: row for row, key in enumerate(self.keys.tolist())}
        chosen = [rows[key] for key in keys]
        return MeasuredImages(self.keys[chosen], self.names, self.numbers[chosen], self.features[chosen], self.sizes[chosen])


@dataclass(frozen=True)
class Part:
    """Some images, and the file of what is measured of them."""

    path: Path
    sources: tuple[ImageSource, ...]

    def save(self, content: bytes) -> None:
        """Keep what :meth:`MeasuredImages.to_bytes` gave."""
        with whole_file(self.path) as partial:
            partial.write_bytes(content)


class ImageMeasurer:
    """Measure images one by one, so that numbers do not depend on which images are measured together.

    Args:
        model: Name of a model, or path of a config.
        checkpoint: Its weights; a named model has its own.
        device: Where to run; by default the best there is.
        skip_broken: Whether to leave out files that cannot be read.
    """

    def __init__(self, model: str, checkpoint: str | None = None, device: str | None = None,
                 skip_broken: bool = False) -> None:
        self.inferencer = UncertaintyInferencer(model, checkpoint, device, show_progress=False)
        self.inferencer.model.pools_features = self.has_features
        self.skip_broken, self.names = skip_broken, tuple(statistic_names(self.inferencer))

    @property
    def has_features(self) -> bool:
        """Whether the base model yields features."""
        return self.inferencer.model.base.features_from is not None

    def __call__(self, sources: Sequence[ImageSource]) -> MeasuredImages:
        """Measure.

        Raises:
            DatasetError: A file cannot be read, unless such files are left out.
        """
        rows = [row for source in sources if (row := self._measure(source)) is not None]
        if not rows:
            return MeasuredImages.none(self.names)
        keys, numbers, features, sizes = zip(*rows)
        return MeasuredImages(np.array(keys, str), self.names, np.array(numbers, np.float64), np.array(features, np.float32),
                              np.array(sizes, np.int64))

    def _measure(self, source: ImageSource) -> tuple[str, list[float], np.ndarray, tuple[int, int]] | None:
        try:
            image = read_image(source)
        except DatasetError:
            if self.skip_broken:
                return None
            raise
        sample, = self.inferencer(image, return_datasamples=True)['predictions']
        summary, = self.inferencer.postprocess([sample], [])['predictions']
        features = sample.image_features.cpu().numpy() if self.has_features else np.zeros(0)
        return file_state(source), [image_statistic(summary, name) for name in self.names], features, image.shape[:2]

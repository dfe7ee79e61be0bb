"""One number for every frame of a stream, kept so that a run that was stopped goes on."""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tqdm.auto import tqdm

from mmseg_uncertainty.runtime.image_sources import ImageSource, count_images, each_image, find_images, read_image
from mmseg_uncertainty.runtime.json_files import write_json

from .image_statistics import check_statistic, image_statistic, statistic_names
from .uncertainty_inferencer import UncertaintyInferencer

SAVE_INTERVAL = 50


class FrameStatistics:
    """Measure frames one by one; numbers of frames that were measured before, by the same model, are read from a file.

    Args:
        inferencer: The model.
        statistic: See :func:`~mmseg_uncertainty.apis.image_statistics.image_statistic`.
        kept: JSON file of the numbers, by frame.

    Raises:
        ValueError: The model has no such statistic.
    """

    def __init__(self, inferencer: UncertaintyInferencer, statistic: str, kept: Path) -> None:
        check_statistic(statistic, statistic_names(inferencer))
        self.inferencer, self.statistic, self.path = inferencer, statistic, kept
        self.circumstances = json.loads(json.dumps(dict(statistic=statistic, **inferencer.model.provenance), default=str))
        self.numbers = self._kept()

    def measure(self, inputs: str | Path, every: int, description: str) -> dict[str, float]:
        """Numbers of a stream, by frame in its order, one out of ``every`` frames.

        Raises:
            DatasetError: There is no frame, or one cannot be read.
        """
        sources = find_images(inputs)
        still = [source for source in sources if not source.is_video]
        sources = still[::every] + [source for source in sources if source.is_video]
        total = len(still[::every]) + -(-count_images([source for source in sources if source.is_video]) // every)
        found = {}
        for source in tqdm(each_image(sources, every), desc=description, total=total):
            key = file_state(source)
            if key not in self.numbers:
                self.numbers[key] = image_statistic(
                    self.inferencer(read_image(source))['predictions'][0], self.statistic)
                if len(self.numbers) % SAVE_INTERVAL == 0:
                    self.save()
            found[source.label] = self.numbers[key]
        self.save()
        return found

    def save(self) -> None:
        """Keep the numbers."""
        write_json(self.path, dict(circumstances=self.circumstances, numbers=self.numbers))

    def _kept(self) -> dict[str, float]:
        try:
            kept = json.loads(self.path.read_text(encoding='utf-8'))
        except (OSError, ValueError):
            return {}
        return kept['numbers'] if isinstance(kept, Mapping) and kept.get('circumstances') == self.circumstances else {}


def file_state(source: ImageSource) -> str:
    """A frame and the state of its file."""
    file = source.video or source.content
    state = Path(file).stat()
    return f'{source.label}, {state.st_size} bytes of {state.st_mtime_ns}'

"""Writes what is asked for of every image of a run, and of the run as a whole."""
from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from .annotated_video import frame_rate, write_video
from .answer_picture import annotated, answer_size, draw_answer
from .findings import answer, flagged
from .flagged_regions import coco_dataset, regions_of
from .image_sources import RESULT_MARK, ImageSource
from .json_files import write_json
from .map_files import save_maps
from .maps_page import draw_maps
from .model_facts import ModelFacts
from .near_names import did_you_mean
from .picture_sizes import fitted_size, shrunk
from .prediction import Prediction
from .prediction_files import write_picture
from .prediction_pictures import label_map, prediction_pictures
from .result_kinds import CODECS, DEFAULT_KINDS, KINDS, MAP_TYPES
from .run_journal import RunJournal
from .score_ranges import PILOTS, ScoreRanges, pilots
from .statistics_table import check_parquet, statistics_row, write_csv, write_parquet

# Most bytes that are held back until the colour scales of a run are fixed.
PILOT_BYTES = 2**29
FRAMES = '.frames'
LEAST_FRAME, MOST_FRAME = 640, 1024
Result = TypeVar('Result')


@dataclass(frozen=True)
class SaveOptions:
    """What to write.

    Args:
        kinds: Out of :data:`~mmseg_uncertainty.runtime.result_kinds.KINDS`.
        map_type: Type of the numbers of ``uncertainty``, see :func:`~mmseg_uncertainty.runtime.map_files.save_maps`.
        resume: Whether to go on with an earlier run in the same folder.
        codec: Format of annotated videos, one of :data:`~mmseg_uncertainty.runtime.result_kinds.CODECS`.

    Raises:
        ValueError: A kind, the type or the format is unknown.
        ModuleNotFoundError: ``parquet`` needs pyarrow.
    """

    kinds: Sequence[str] = DEFAULT_KINDS
    map_type: str = 'float16'
    resume: bool = False
    codec: str = 'mpeg4'

    def __post_init__(self) -> None:
        chosen = [('save', kind, KINDS) for kind in self.kinds]
        for name, value, known in (*chosen, ('map_type', self.map_type, MAP_TYPES), ('codec', self.codec, CODECS)):
            if value not in known:
                raise ValueError(f'{name}={value!r} is unknown.{did_you_mean(value, known)} Choose from {", ".join(known)}.')
        if 'parquet' in self.kinds:
            check_parquet()

    def check_run(self, out_dir: str | Path, **asked: bool) -> None:
        """Check that a run can have what it is asked for.

        Args:
            out_dir: Where it writes; ``''`` writes nothing.
            asked: What it shall return of every image besides its summary, by the name of the option.

        Raises:
            ValueError: It is resumed and writes nothing, or shall return what an earlier run did not keep.
        """
        if self.resume and (any(asked.values()) or not out_dir):
            raise ValueError('A run that is resumed finds files and summaries of the images that were done: give out_dir, and leave '
                             f'out {" and ".join(asked)}.')


class PredictionWriter:
    """Writes results as they come, so that memory does not grow with the images of a run.

    Pictures of one run share their colour scales. Where a score has no bounds and the model brings no scale from its calibration,
    the first eight images (fewer if they are large) are held back until these scales can be fixed, so give images in
    :func:`spread` order.

    Args:
        folder: Where to write; a sub-folder per kind of file is made.
        options: What to write.
        facts: Names, colours and thresholds of the model.
        every: Frames of a video from one image to the next.

    Raises:
        OutputError: A file cannot be written.
        ValueError: An earlier run that shall be resumed had other circumstances.
    """

    def __init__(self, folder: str | Path, options: SaveOptions, facts: ModelFacts, every: int = 1) -> None:
        self.folder, self.options, self.facts, self.every = Path(folder), options, facts, every
        # This folder tells results from images that are to be predicted.
        (self.folder / RESULT_MARK).mkdir(parents=True, exist_ok=True)
        circumstances = dict(facts.circumstances(), save=sorted(options.kinds), map_type=options.map_type, every=every)
        self.journal = RunJournal(self.folder, circumstances, options.resume)
        self.ranges = ScoreRanges(facts.scales, self.journal.ranges)
        self._held: list[tuple[ImageSource, np.ndarray, Prediction, dict]] = []
        self._order: dict[str, Path | None] = {}

    def kept(self, source: ImageSource) -> dict | None:
        """Summary of an image that an earlier run finished, and whose files are still there."""
        record = self.journal.kept(source)
        if record is None or not self._has_frame(source) or not all((self.folder / file).is_file() for file in record['files']):
            return None
        if 'json' in self.options.kinds and not self._summary(source.name).is_file():
            return None
        self._order[source.name] = source.video
        return record['summary']

    def add(self, source: ImageSource, image: np.ndarray, prediction: Prediction, summary: dict) -> None:
        """Write what is asked for of one image.

        Args:
            source: Where it comes from.
            image: Shape (H, W, 3), uint8, RGB.
            prediction: Result for the image.
            summary: Content of its JSON file, to which the paths are added.
        """
        self._order[source.name] = source.video
        if not (self._draws_scores(source) and self.ranges.open and self.journal.ranges is None):
            self._write(source, image, prediction, summary)
            return
        self.ranges.see(prediction)
        self._held.append((source, image, prediction, summary))
        size = sum(values.nbytes for _, _, held, _ in self._held for values in held.uncertainty.values())
        if len(self._held) >= PILOTS or size >= PILOT_BYTES:
            self._release()

    def finish(self) -> None:
        """Write what is about all images: videos, tables and regions."""
        self._release()
        kinds, records = self.options.kinds, [self.journal.done[name] for name in self._order]
        rows = [statistics_row(record['summary']) for record in records]
        if 'csv' in kinds:
            write_csv(self.folder / 'statistics.csv', rows)
        if 'parquet' in kinds:
            write_parquet(self.folder / 'statistics.parquet', rows)
        if 'regions' in kinds:
            write_json(self.folder / 'regions.json', coco_dataset([dict(record['summary'], regions=record['regions'])
                                                                   for record in records]))
        if 'figures' in kinds:
            self._write_videos()
        self.journal.close()

    def _has_frame(self, source: ImageSource) -> bool:
        """Whether the picture of a frame is there, or the video that it is for."""
        if source.video is None or 'figures' not in self.options.kinds:
            return True
        return self._frame(source.name).is_file() or self._video(source.name).is_file()

    def _summary(self, name: str) -> Path:
        return self.folder / RESULT_MARK / f'{name}.json'

    def _frame(self, name: str) -> Path:
        return self.folder / FRAMES / f'{name}.jpg'

    def _video(self, name: str) -> Path:
        return self.folder / 'figures' / f'{name.rpartition("/")[0]}.mp4'

    def _draws_scores(self, source: ImageSource) -> bool:
        return 'overlays' in self.options.kinds or 'figures' in self.options.kinds and source.video is None

    def _release(self) -> None:
        if self._held and self.journal.ranges is None:
            self.journal.fix_ranges(self.ranges.limits())
            self.ranges = ScoreRanges(self.facts.scales, self.journal.ranges)
        while self._held:
            self._write(*self._held.pop(0))

    def _write(self, source: ImageSource, image: np.ndarray, prediction: Prediction, summary: dict) -> None:
        facts, kinds, name = self.facts, self.options.kinds, source.name
        found = flagged(prediction, facts.scales, facts.decisions, facts.chosen)
        finding = answer(prediction, facts.scales, found)
        summary = dict(summary, answer=dict(sentence=finding.sentence, by=finding.name, flagged_share=finding.share))
        files = {}
        if 'labels' in kinds:
            files['labels'] = f'labels/{name}.png'
            write_picture(self.folder / files['labels'], label_map(prediction, facts.classes))
        if 'uncertainty' in kinds:
            files['uncertainty'] = f'uncertainty/{name}.npz'
            save_maps(self.folder / files['uncertainty'], prediction, facts.scales, self.options.map_type)
        if 'overlays' in kinds:
            files |= self._write_overlays(name, image, prediction)
        if 'figures' in kinds and source.video is not None:
            size = fitted_size(prediction.size, LEAST_FRAME, MOST_FRAME)
            write_picture(self._frame(name), annotated(image, prediction, facts.palette, finding, size), sharp=False)
        elif 'figures' in kinds:
            files |= dict(figure=f'figures/{name}.jpg', maps=f'maps/{name}.jpg')
            caption = f'{source.label} · {facts.name}'
            drawn = (shrunk(image, answer_size(prediction)), prediction, facts.classes, facts.palette)
            write_picture(self.folder / files['figure'], draw_answer(*drawn, finding, caption))
            write_picture(self.folder / files['maps'], draw_maps(*drawn, facts.scales, self.ranges.limits()))
        regions = [region for finding in found for region in regions_of(finding, prediction.uncertainty[finding.head])
                   ] if 'regions' in kinds else []
        if 'json' in kinds:
            write_json(self._summary(name), dict(summary, files=files))
        self.journal.note(source, dict(summary=summary, regions=regions, files=list(files.values())))

    def _write_overlays(self, name: str, image: np.ndarray, prediction: Prediction) -> dict[str, str]:
        facts = self.facts
        pictures = prediction_pictures(image, prediction, facts.classes, facts.palette, self.ranges.limits())
        del pictures['labels']
        files = {kind: f'overlays/{kind}/{name}.jpg' for kind in pictures}
        for kind, draw in pictures.items():
            write_picture(self.folder / files[kind], draw())
        return files

    def _write_videos(self) -> None:
        videos: dict[Path, list[str]] = {}
        for name, video in self._order.items():
            if video is not None:
                videos.setdefault(self._video(name), []).append(name)
        for video, names in videos.items():
            frames = [self._frame(name) for name in names]
            if video.is_file() and not all(frame.is_file() for frame in frames):
                # An earlier run finished this one.
                continue
            summaries = [self.journal.done[name]['summary'] for name in names]
            statistics = {'flagged pixels, %': [100 * summary['answer']['flagged_share'] for summary in summaries]}
            by = next(iter(self.facts.scales), None)
            if by is not None:
                statistics[f'mean {self.facts.scales[by].title(by)}'] = [summary['uncertainty'][by]['mean'] for summary in summaries]
            rate = frame_rate(self._order[names[0]], self.every)
            write_video(video, frames, statistics, rate, self.options.codec)
        # Another run may find its frames again until the videos are whole.
        shutil.rmtree(self.folder / FRAMES, ignore_errors=True)


def spread(sources: Sequence[ImageSource]) -> list[ImageSource]:
    """Images in an order whose first ones lie evenly among all, so that they stand for the rest; with videos, the order they have.

    Examples:
        >>> [source.name for source in spread([ImageSource(str(number), np.zeros(1)) for number in range(24)])][:8]
        ['0', '3', '6', '9', '12', '15', '18', '21']
    """
    if len(sources) <= PILOTS or any(source.is_video for source in sources):
        return list(sources)
    first = pilots(len(sources))
    return [sources[index] for index in first] + [source for index, source in enumerate(sources) if index not in set(first)]


def in_order(found: Mapping[str, Result], sources: Sequence[ImageSource]) -> list[Result]:
    """Results by name in the order of the images that they are of; frames of videos keep theirs.

    Examples:
        >>> sources = [ImageSource(name, np.zeros(1)) for name in 'abc']
        >>> in_order(dict(c=3, a=1), sources)
        [1, 3]
    """
    places = {source.name: place for place, source in enumerate(sources)}

    def place(name: str) -> int:
        # A frame has the name of its video and its own.
        return places[name] if name in places else places[name.rpartition('/')[0]]

    return [found[name] for name in sorted(found, key=place)]

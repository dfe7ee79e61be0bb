"""Which images the splits of the benchmarks hold, in the folders as downloaded."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmseg_uncertainty.runtime.near_names import did_you_mean

from .frames import Frame, check_count, frames_in, shown
from .submission_error import SubmissionError

OBSTACLE_SCENES = ('curvy-street', 'one-way-street', 'gravel', 'greyasphalt', 'motorway', 'paving', 'darkasphalt', 'darkasphalt2')
# Frames of Lost and Found with pedestrians and bicycles, which are no unknown objects.
LAF_KNOWN = ('15_Rechbergstr_Deckenpfronn', '01_Hanns_Klemm_Str_45_000006', '01_Hanns_Klemm_Str_45_000007',
             '10_Schlossberg_9_000004')
# Frames of its test part whose labels are empty, by their place in the sorted list of 1,203.
LAF_UNLABELLED = (17, 37, 55, 72, 91, 110, 129, 153, 174, 197, 218, 353, 490, 618, 686, 792, 793)


@dataclass(frozen=True)
class Split:
    """A part of a benchmark.

    Args:
        images: Folder of its images below the folder of all data.
        stored_as: What the benchmark calls the folder of its results.
        frames: Number of its images, ``None`` where it is not known.
        scenes: First words of the names of its images, up to ``_`` or the first digit; ``()`` takes all.
        excluded: First parts of the names that do not belong to it, though their scene does.
        left_out: Places of images that do not count in the sorted list of all.
        tail: End of the stems that names of frames lack.
    """

    images: str
    stored_as: str
    frames: int | None = None
    scenes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    left_out: tuple[int, ...] = ()
    tail: str = ''

    def holds(self, name: str) -> bool:
        """Whether an image of this name belongs to the split."""
        scene = name.partition('_')[0]
        in_scene = not self.scenes or any(scene == known or name.rstrip('0123456789') == known for known in self.scenes)
        return in_scene and not name.startswith(self.excluded or ('\0', ))


_ANOMALY = dict(images='dataset_AnomalyTrack/images', stored_as='AnomalyTrack-all')
_OBSTACLE = dict(images='dataset_ObstacleTrack/images', stored_as='ObstacleTrack-all')
_LAF = dict(images='dataset_LostAndFound/leftImg8bit/test', stored_as='LostAndFound-test', tail='_leftImg8bit')
_VALIDATION = tuple(f'validation_{number}' for number in (19, *range(21, 30)))

SMIYC = {
    'AnomalyTrack-all': Split(**_ANOMALY, frames=110),
    'AnomalyTrack-test': Split(**_ANOMALY, frames=100, excluded=('validation', )),
    'AnomalyTrack-validation': Split(**_ANOMALY, frames=10, scenes=('validation', )),
    'ObstacleTrack-test': Split(**_OBSTACLE, frames=327, scenes=OBSTACLE_SCENES),
    'ObstacleTrack-night': Split(**_OBSTACLE, frames=30, scenes=('driveway', )),
    'ObstacleTrack-snowstorm': Split(**_OBSTACLE, frames=55, scenes=('snowstorm1', 'snowstorm2')),
    'ObstacleTrack-validation': Split(**_OBSTACLE, frames=30, scenes=('validation', ), excluded=_VALIDATION),
    'ObstacleTrack-all': Split(**_OBSTACLE, excluded=_VALIDATION),
    'LostAndFound-test': Split(**_LAF, frames=1203),
    'LostAndFound-testNoKnown': Split(**_LAF, frames=1043, excluded=LAF_KNOWN, left_out=LAF_UNLABELLED),
    'LostAndFound-train': Split('dataset_LostAndFound/leftImg8bit/train', 'LostAndFound-train', 1036, tail='_leftImg8bit'),
}
FISHYSCAPES = {
    'LostAndFound': Split('fs_lost_found/images', 'LostAndFound', 100),
    'Static': Split('fs_static/images', 'Static', 30),
}
# ACDC is divided by condition when it is measured, and is one folder of a submission.
BRAVO = {
    'ACDC': Split('bravo/bravo_ACDC', 'bravo_ACDC', 2000),
    'SMIYC': Split('bravo/bravo_SMIYC', 'bravo_SMIYC'),
    'outofcontext': Split('bravo/bravo_outofcontext', 'bravo_outofcontext', 329),
    'synflare': Split('bravo/bravo_synflare', 'bravo_synflare', 308),
    'synobjs': Split('bravo/bravo_synobjs', 'bravo_synobjs', 656),
    'synrain': Split('bravo/bravo_synrain', 'bravo_synrain', 500),
}
BENCHMARKS = dict(smiyc=SMIYC, fishyscapes=FISHYSCAPES, bravo=BRAVO)


def split_of(benchmark: str, name: str) -> Split:
    """The split of this name.

    Raises:
        SubmissionError: The benchmark has none.
    """
    splits = BENCHMARKS[benchmark]
    if name not in splits:
        raise SubmissionError(f'--split {name}: {benchmark} has no such split.{did_you_mean(name, splits)} Choose from '
                              f'{", ".join(splits)}.')
    return splits[name]


def split_frames(name: str, split: Split, folder: str | Path, nested: bool = False) -> list[Frame]:
    """Frames of a split.

    Args:
        name: Name of the split.
        split: The split.
        folder: Folder of its images.
        nested: Whether frames are named by their path below the folder of results, as in BRAVO, and not by their file alone.

    Raises:
        DatasetError: The folder is missing or holds no image.
        SubmissionError: It does not hold the images of this split.
    """
    found = frames_in(folder, split.tail)
    if nested:
        frames = [Frame(f'{split.stored_as}/{frame.name}', frame.image) for frame in found]
    else:
        frames = sorted((Frame(frame.name.rpartition('/')[2], frame.image) for frame in found), key=lambda frame: frame.name)
        frames = [frame for place, frame in enumerate(frames) if place not in split.left_out and split.holds(frame.name)]
    if not frames:
        raise SubmissionError(f'{folder} holds no image of {name}, but {shown([frame.name for frame in found])}. They are of '
                              'another split: name it by --split, or give another --images.')
    check_count(frames, split.frames, name, folder)
    return frames

"""What all submissions share: frames, files, and arrays that are checked before they are written."""
from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mmseg_uncertainty.runtime.image_checks import walk_files

from .frames import Frame
from .submission_error import SubmissionError


class Submission(ABC):
    """Files of one benchmark.

    Args:
        folder: Where the files go.
        frames: Images that are answered.
        split: What the benchmark calls them, for messages.

    Attributes:
        score_levels: Number of scores that a file tells apart where it stores levels, ``None`` where it stores the scores.
    """

    benchmark: str
    score_levels: int | None = None

    def __init__(self, folder: str | Path, frames: Sequence[Frame], split: str) -> None:
        if not frames:
            raise SubmissionError(f'{self.benchmark}: {split} has no frame. Check the folder of its images.')
        self.folder, self.frames, self.split = Path(folder), list(frames), split

    @abstractmethod
    def files(self, frame: Frame) -> dict[str, Path]:
        """Files of a frame by what they hold."""

    @abstractmethod
    def write(self, frame: Frame, scores: np.ndarray, labels: np.ndarray) -> None:
        """Write the files of a frame, each whole or not at all.

        Args:
            frame: The frame.
            scores: Shape (H, W): scores, higher being more anomalous; levels where the submission has ``score_levels``
                and was given them.
            labels: Classes, shape (H, W), integer.

        Raises:
            SubmissionError: They are not what the benchmark takes.
        """

    @abstractmethod
    def read(self, frame: Frame) -> dict[str, np.ndarray]:
        """Arrays of a frame by what they hold, read back and checked.

        Raises:
            SubmissionError: A file is missing, broken, of another type or size, or holds NaN.
        """

    @abstractmethod
    def result_folders(self) -> list[Path]:
        """Folders that hold the files of these frames and nothing else."""

    def scores_of(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """Scores in what :meth:`read` returns, higher being more anomalous."""
        return arrays['scores']

    def pack(self) -> Path | None:
        """Make the one file that is sent, where the benchmark wants one."""
        return None

    def strangers(self) -> list[Path]:
        """Files in the folders of the results that belong to no frame."""
        own = {path for frame in self.frames for path in self.files(frame).values()}
        found = [path for folder in self.result_folders() if folder.is_dir() for path in walk_files(folder)]
        return sorted(path for path in found if path not in own and not path.name.startswith('.'))


def checked_map(values: np.ndarray, frame: Frame, what: str, kinds: str = 'f') -> np.ndarray:
    """A map of the size of its frame that holds no NaN and no infinity.

    Args:
        values: The map.
        frame: Its frame.
        what: What messages call it.
        kinds: Kinds of numbers that it may hold, as :attr:`numpy.dtype.kind` names them.

    Raises:
        SubmissionError: It is something else.
    """
    values = np.asarray(values)
    if values.shape != frame.size:
        raise SubmissionError(f'{what} of frame {frame.name} have the shape {values.shape}, expected that of {frame.image}, '
                              f'{frame.size}. Give every pixel of the image its number.')
    if values.dtype.kind not in kinds:
        raise SubmissionError(f'{what} of frame {frame.name} are {values.dtype}, expected {_kinds(kinds)}.')
    wrong = 0 if values.dtype.kind in 'iub' else int(np.count_nonzero(~np.isfinite(values)))
    if wrong:
        missing = int(np.count_nonzero(np.isnan(values)))
        raise SubmissionError(f'{what} of frame {frame.name} hold {missing} NaN and {wrong - missing} infinite values, expected '
                              'finite numbers alone. Find out where the model or its head fails on this image.')
    return values


def missing_file(path: Path, frame: Frame) -> SubmissionError:
    """The error of a frame without its file."""
    return SubmissionError(f'{path} is missing, which holds frame {frame.name}. Run the same command again to add it.')


def size_of_file(path: Path) -> int:
    """Number of bytes of a file, 0 where there is none."""
    return os.stat(path).st_size if path.exists() else 0


def _kinds(kinds: str) -> str:
    return {'f': 'floating-point numbers', 'iu': 'whole numbers'}.get(kinds, 'numbers')


__all__ = ['Submission', 'SubmissionError', 'checked_map', 'missing_file', 'size_of_file']

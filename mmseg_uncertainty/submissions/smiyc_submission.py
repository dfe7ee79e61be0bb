"""Submissions to SegmentMeIfYouCan: one HDF5 file per frame, in half precision."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from mmseg_uncertainty.runtime.output_files import whole_file

from .frames import Frame
from .submission import Submission, SubmissionError, checked_map, missing_file

DATASET = 'value'
COMPRESSION = 9
LARGEST_HALF = float(np.finfo(np.float16).max)
# Half-precision numbers from -1 to 1, by which tools may calculate without leaving half precision.
POSITIVE_HALVES = np.arange(int(np.float16(1).view(np.uint16)) + 1, dtype=np.uint16).view(np.float16)
HALVES = np.concatenate([-POSITIVE_HALVES[:0:-1], POSITIVE_HALVES])


class SmiycSubmission(Submission):
    """``anomaly_p/METHOD/SPLIT/FRAME.hdf5``, each with the dataset ``value`` (H, W), float16, gzip 9; higher is more anomalous.

    Args:
        folder: Where ``anomaly_p`` lies.
        frames: See :class:`Submission`.
        split: Folder of the split; all parts of the obstacle track share ``ObstacleTrack-all``.
        method: Name of the method.

    Raises:
        ImportError: h5py is not installed.
    """

    benchmark = 'smiyc'
    score_levels = len(HALVES)

    def __init__(self, folder: str | Path, frames: Sequence[Frame], split: str, method: str) -> None:
        super().__init__(folder, frames, split)
        self.method = method
        hdf5()

    def files(self, frame: Frame) -> dict[str, Path]:
        """See :meth:`Submission.files`."""
        return dict(scores=self.folder / 'anomaly_p' / self.method / self.split / f'{frame.name}.hdf5')

    def result_folders(self) -> list[Path]:
        """See :meth:`Submission.result_folders`."""
        return [self.folder / 'anomaly_p' / self.method / self.split]

    def write(self, frame: Frame, scores: np.ndarray, labels: np.ndarray | None = None) -> None:
        """See :meth:`Submission.write`; whole numbers are levels below :attr:`score_levels`, and labels are not asked for."""
        scores = checked_map(scores, frame, 'Scores', 'fiu')
        values = HALVES[scores] if scores.dtype.kind in 'iu' else checked_halves(scores, frame)
        with whole_file(self.files(frame)['scores']) as partial, hdf5().File(partial, 'w') as file:
            file.create_dataset(DATASET, data=values, compression='gzip', compression_opts=COMPRESSION)

    def read(self, frame: Frame) -> dict[str, np.ndarray]:
        """See :meth:`Submission.read`."""
        path = self.files(frame)['scores']
        if not path.is_file():
            raise missing_file(path, frame)
        try:
            with hdf5().File(path, 'r') as file:
                if DATASET not in file:
                    raise SubmissionError(f'{path} has the datasets {sorted(file)}, expected {DATASET!r}. Write it again.')
                values = file[DATASET][()]
        except OSError as error:
            raise SubmissionError(f'{path} cannot be read as HDF5 ({error}). Remove it and run the command again.') from None
        if values.dtype != np.float16:
            raise SubmissionError(f'{path} holds {values.dtype}, expected float16. Remove it and run the command again.')
        return dict(scores=checked_map(values, frame, f'Scores in {path}'))


def checked_halves(scores: np.ndarray, frame: Frame) -> np.ndarray:
    """Scores in half precision.

    Raises:
        SubmissionError: One is beyond what half precision holds.
    """
    largest = float(np.abs(scores).max())
    if largest > LARGEST_HALF:
        raise SubmissionError(f'Scores of frame {frame.name} reach {largest:g}, and half precision ends at {LARGEST_HALF:g}. '
                              'Leave out --rescale never, so that scores are mapped to numbers that it holds.')
    return scores.astype(np.float16)


def exact_in_half(scores: np.ndarray) -> bool:
    """Whether half precision holds every score as it is, so that no two become equal."""
    with np.errstate(over='ignore'):
        return bool((scores.astype(np.float16).astype(scores.dtype) == scores).all())


def hdf5() -> ModuleType:
    """The library that reads and writes HDF5.

    Raises:
        ImportError: It is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise ImportError('SegmentMeIfYouCan takes HDF5 files, which h5py writes, and h5py is not installed. Run pip install '
                          '"mmseg_uncertainty[submit]".') from None
    return h5py

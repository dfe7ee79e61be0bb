"""Submissions to Fishyscapes: two NumPy files per frame, as its containers write them to ``/output``."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from mmseg_uncertainty.runtime.output_files import whole_file

from .frames import Frame
from .submission import Submission, SubmissionError, checked_map, missing_file

MOST_CLASSES = 20
KINDS = dict(scores=('anomaly', np.float32), labels=('segmentation', np.uint8))


class FishyscapesSubmission(Submission):
    """``FRAME_anomaly.npy``, float32, higher being more anomalous, and ``FRAME_segmentation.npy``, Cityscapes train ids, uint8."""

    benchmark = 'fishyscapes'

    def files(self, frame: Frame) -> dict[str, Path]:
        """See :meth:`Submission.files`."""
        return {kind: self.folder / f'{frame.name}_{name}.npy' for kind, (name, _) in KINDS.items()}

    def result_folders(self) -> list[Path]:
        """See :meth:`Submission.result_folders`."""
        return [self.folder]

    def strangers(self) -> list[Path]:
        """See :meth:`Submission.strangers`; other files than arrays do not matter to the server."""
        return [path for path in super().strangers() if path.suffix == '.npy']

    def write(self, frame: Frame, scores: np.ndarray, labels: np.ndarray) -> None:
        """See :meth:`Submission.write`."""
        arrays = dict(scores=checked_map(scores, frame, 'Scores').astype(np.float32), labels=checked_classes(labels, frame))
        # A frame is done where its scores are.
        for kind in ('labels', 'scores'):
            with whole_file(self.files(frame)[kind]) as partial, partial.open('wb') as file:
                np.save(file, arrays[kind], allow_pickle=False)

    def read(self, frame: Frame) -> dict[str, np.ndarray]:
        """See :meth:`Submission.read`."""
        return {kind: self._array(kind, frame) for kind in KINDS}

    def _array(self, kind: str, frame: Frame) -> np.ndarray:
        path, expected = self.files(frame)[kind], KINDS[kind][1]
        if not path.is_file():
            raise missing_file(path, frame)
        try:
            values = np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise SubmissionError(f'{path} cannot be read as an array ({error}). Remove it and run the command again.') from None
        if values.dtype != expected:
            raise SubmissionError(f'{path} holds {values.dtype}, expected {np.dtype(expected)}. Remove it and run the command '
                                  'again.')
        if kind == 'labels':
            return checked_classes(values, frame, f'Classes in {path}')
        return checked_map(values, frame, f'Scores in {path}')


def checked_classes(labels: np.ndarray, frame: Frame, what: str = 'Classes', most: int = MOST_CLASSES) -> np.ndarray:
    """Train ids of a frame, uint8.

    Raises:
        SubmissionError: They are none, or do not have the size of the frame.
    """
    labels = checked_map(labels, frame, what, 'iu')
    if labels.min() < 0 or labels.max() >= most:
        raise SubmissionError(f'{what} of frame {frame.name} reach from {labels.min()} to {labels.max()}, expected the train ids of '
                              f'Cityscapes, 0 to {most - 1}. Use a model of these classes.')
    return labels.astype(np.uint8)

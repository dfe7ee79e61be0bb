"""Submissions to BRAVO: two PNG files per image, and a tar of them all."""
from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from mmseg_uncertainty.runtime.output_files import whole_file

from .fishyscapes_submission import checked_classes
from .frames import Frame
from .submission import Submission, SubmissionError, checked_map, missing_file

CONFIDENCE_LEVELS = 2**16
NUM_CLASSES = 19
TAR = 'submission.tar'


class BravoSubmission(Submission):
    """``bravo_SUBSET/…/IMAGE_pred.png``, 8 bits, train ids 0 to 18, and ``IMAGE_conf.png``, 16 bits, the confidence.

    Level i of a confidence stands for (i + 0.5) / 65536 of the probability that the prediction is right.
    """

    benchmark = 'bravo'
    score_levels = CONFIDENCE_LEVELS

    def files(self, frame: Frame) -> dict[str, Path]:
        """See :meth:`Submission.files`."""
        return dict(labels=self.folder / f'{frame.name}_pred.png', confidence=self.folder / f'{frame.name}_conf.png')

    def result_folders(self) -> list[Path]:
        """See :meth:`Submission.result_folders`."""
        return [self.folder / name for name in sorted({frame.name.partition('/')[0] for frame in self.frames})]

    def write(self, frame: Frame, scores: np.ndarray, labels: np.ndarray) -> None:
        """See :meth:`Submission.write`.

        Args:
            frame: The frame.
            scores: Probabilities that predictions are wrong, in [0, 1]; whole numbers are levels of uncertainty below 65536.
            labels: Train ids.
        """
        scores = checked_map(scores, frame, 'Scores', 'fiu')
        levels = CONFIDENCE_LEVELS - 1 - scores if scores.dtype.kind in 'iu' else confidence_levels(scores, frame)
        classes = checked_classes(labels, frame, most=NUM_CLASSES)
        # An image is done where its confidences are.
        for kind, picture in (('labels', classes), ('confidence', levels.astype(np.uint16))):
            with whole_file(self.files(frame)[kind]) as partial:
                Image.fromarray(picture).save(partial, format='PNG')

    def read(self, frame: Frame) -> dict[str, np.ndarray]:
        """See :meth:`Submission.read`."""
        paths = self.files(frame)
        labels = checked_map(read_png(paths['labels'], frame, ('L', )), frame, f'Classes in {paths["labels"]}', 'iu')
        levels = read_png(paths['confidence'], frame, ('I;16', 'I;16B', 'I'))
        return dict(labels=checked_classes(labels, frame, f'Classes in {paths["labels"]}', NUM_CLASSES),
                    confidence=checked_map(levels, frame, f'Confidences in {paths["confidence"]}', 'iu').astype(np.uint16))

    def scores_of(self, arrays) -> np.ndarray:
        """See :meth:`Submission.scores_of`."""
        return (CONFIDENCE_LEVELS - 1 - arrays['confidence'].astype(np.int32)).astype(np.float32)

    def pack(self) -> Path:
        """Make ``submission.tar`` of all images, in their order and without times, so that equal images make equal files."""
        path = self.folder / TAR
        with whole_file(path) as partial, tarfile.TarFile(partial, 'w') as tar:
            for frame in self.frames:
                for file in self.files(frame).values():
                    content = file.read_bytes()
                    member = tarfile.TarInfo(file.relative_to(self.folder).as_posix())
                    member.size, member.mode = len(content), 0o644
                    tar.addfile(member, io.BytesIO(content))
        return path


def confidence_levels(scores: np.ndarray, frame: Frame) -> np.ndarray:
    """Levels of the confidence 1 - score, of the shape of the scores, 0 to 65535.

    Raises:
        SubmissionError: Scores are no probabilities.
    """
    if scores.min() < -1e-6 or scores.max() > 1 + 1e-6:
        raise SubmissionError(f'Scores of frame {frame.name} reach from {scores.min():g} to {scores.max():g}, expected the '
                              'probability that a prediction is wrong, in [0, 1]. Use the head msp.')
    levels = np.floor((1 - scores.astype(np.float64)) * CONFIDENCE_LEVELS)
    return np.clip(levels, 0, CONFIDENCE_LEVELS - 1).astype(np.int64)


def read_png(path: Path, frame: Frame, modes: tuple[str, ...]) -> np.ndarray:
    """Pixels of a PNG of one channel.

    Raises:
        SubmissionError: The file is missing, cut off, no PNG, or has another number of bits or channels.
    """
    if not path.is_file():
        raise missing_file(path, frame)
    try:
        with Image.open(path, formats=['PNG']) as image:
            mode, pixels = image.mode, np.array(image)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise SubmissionError(f'{path} cannot be read as PNG ({error}). Remove it and run the command again.') from None
    if mode not in modes:
        raise SubmissionError(f'{path} has pixels of the kind {mode!r}, expected {modes[0]!r} '
                              f'({"8" if modes[0] == "L" else "16"} bits, one channel). Remove it and run the command again.')
    return pixels

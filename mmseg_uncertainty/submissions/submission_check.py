"""Whether the files on disk are the submission that a benchmark expects."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
from tqdm.auto import tqdm

from .frames import shown
from .submission import Submission, SubmissionError, size_of_file

progress = partial(tqdm, leave=False, disable=None)


@dataclass(frozen=True)
class SubmissionReport:
    """What a whole submission holds.

    Args:
        frames: Number of frames.
        files: Number of files.
        bytes: Their size.
        distinct_scores: Distinct scores of a frame, on average; few of them are ties.
        tied_share: Share of the pixels of a frame, on average, whose score the most frequent one is.
    """

    frames: int
    files: int
    bytes: int
    distinct_scores: float
    tied_share: float


def check_submission(submission: Submission) -> SubmissionReport:
    """Read all files back and check them: number, names, sizes, types, NaN.

    Raises:
        SubmissionError: A frame is missing, broken or of another size, files of other frames lie among them, or all scores of
            the submission are equal.
    """
    missing = [path for frame in submission.frames for path in submission.files(frame).values() if not path.is_file()]
    if missing:
        raise SubmissionError(f'{len(missing)} files of {submission.split} are missing: {shown(list(map(str, missing)))}. Run the '
                              'same command again, without --check, to add them.')
    strangers = submission.strangers()
    if strangers:
        raise SubmissionError(f'{len(strangers)} files belong to no frame of {submission.split}: '
                              f'{shown(list(map(str, strangers)))}. Another split was written there, or --split names another '
                              'one: choose another --out, or move them away.')
    distinct, tied, span = [], [], [np.inf, -np.inf]
    for frame in progress(submission.frames, desc='check'):
        scores = submission.scores_of(submission.read(frame))
        values, counts = np.unique(scores, return_counts=True)
        distinct.append(len(values))
        tied.append(counts.max() / scores.size)
        span = [min(span[0], values[0]), max(span[1], values[-1])]
    if span[0] == span[1]:
        raise SubmissionError(f'All scores of {submission.split} are {span[0]:g}. A benchmark ranks pixels by them; choose another '
                              '--head.')
    files = [path for frame in submission.frames for path in submission.files(frame).values()]
    return SubmissionReport(len(submission.frames), len(files), _total(map(size_of_file, files)), float(np.mean(distinct)),
                            float(np.mean(tied)))


def _total(sizes: Iterable[int]) -> int:
    return sum(sizes)

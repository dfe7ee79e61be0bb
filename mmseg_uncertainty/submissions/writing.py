"""Writes a submission frame by frame; what was done before is not done again."""
from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mmseg_uncertainty.runtime.output_files import whole_file

from .frames import Frame
from .score_levels import ScoreLevels, sample_scores
from .smiyc_submission import SmiycSubmission, exact_in_half
from .submission import Submission, SubmissionError, checked_map
from .submission_check import SubmissionReport, check_submission, progress

Predict = Callable[[Frame], tuple[np.ndarray, np.ndarray]]
RESCALE = ('auto', 'never', 'always')


def write_submission(submission: Submission, predict: Predict, rescale: str = 'auto') -> SubmissionReport:
    """Predict and write all frames, make the file that is sent, and check everything that was written.

    Where scores become levels, the map must be one for all frames, since benchmarks rank the pixels of all frames together: the
    scores wait in ``.scores`` in the folder of the submission until all are known.

    Args:
        submission: What to write.
        predict: Scores (H, W), higher being more anomalous, and classes (H, W) of a frame.
        rescale: ``'auto'`` maps scores to levels where the file format would make different ones equal, or cannot hold
            them; ``'never'`` stores them as they are; ``'always'`` maps them.

    Returns:
        What the check found.

    Raises:
        SubmissionError: Scores or files are not what the benchmark takes.
        ValueError: ``rescale`` is unknown.
    """
    if rescale not in RESCALE:
        raise ValueError(f'rescale={rescale!r} is unknown; choose from {RESCALE}.')
    direct = submission.score_levels is None or rescale == 'never' or rescale == 'auto' and submission.benchmark == 'bravo'
    (_write_direct if direct else _write_levels)(submission, predict, rescale)
    report = check_submission(submission)
    shutil.rmtree(spill_folder(submission), ignore_errors=True)
    submission.pack()
    return report


def spill_folder(submission: Submission) -> Path:
    """Where scores wait for their levels."""
    method = getattr(submission, 'method', submission.benchmark)
    return submission.folder / '.scores' / f'{method}_{submission.split}'.replace('/', '_')


def _write_direct(submission: Submission, predict: Predict, rescale: str) -> None:
    todo = [frame for frame in submission.frames if not _is_done(submission, frame)]
    for frame in progress(todo, desc=f'submit {submission.split}'):
        submission.write(frame, *predict(frame))


def _write_levels(submission: Submission, predict: Predict, rescale: str) -> None:
    if all(_is_done(submission, frame) for frame in submission.frames):
        return
    folder = spill_folder(submission)
    spilled = {frame: folder / f'{frame.name}.npz' for frame in submission.frames}
    for frame, path in progress(spilled.items(), desc=f'submit {submission.split}'):
        if not _is_spilled(path, frame):
            scores, labels = predict(frame)
            with whole_file(path) as partial, partial.open('wb') as file:
                np.savez(file, scores=checked_map(scores, frame, 'Scores'), labels=labels)
    maps = {frame: (lambda path=path: _spilled(path)) for frame, path in spilled.items()}
    raw = rescale == 'auto' and isinstance(submission, SmiycSubmission) and all(exact_in_half(load()[0]) for load in maps.values())
    levels = None
    if not raw:
        levels = ScoreLevels(sample_scores((load()[0] for load in maps.values()), len(maps)), submission.score_levels)
    for frame, load in progress(maps.items(), desc=f'write {submission.split}'):
        scores, labels = load()
        submission.write(frame, scores if levels is None else levels(scores), labels)


def _is_done(submission: Submission, frame: Frame) -> bool:
    try:
        submission.read(frame)
    except SubmissionError:
        return False
    return True


def _is_spilled(path: Path, frame: Frame) -> bool:
    return path.is_file() and _spilled(path)[0].shape == frame.size


def _spilled(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return arrays['scores'], arrays['labels']

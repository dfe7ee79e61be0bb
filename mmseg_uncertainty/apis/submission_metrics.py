"""What the files of a submission are worth where labels are public: measured from the files, not from the model."""
from __future__ import annotations

from pathlib import Path

from mmseg_uncertainty.datasets.anomaly_dataset import LABEL_TAILS
from mmseg_uncertainty.datasets.image_files import check_labels, index_by_stem, read_labels
from mmseg_uncertainty.functional.ranking import auroc, average_precision, fpr_at_tpr
from mmseg_uncertainty.functional.score_histogram import SpilledScores
from mmseg_uncertainty.label_values import ANOMALY, IN_DISTRIBUTION, VOID
from mmseg_uncertainty.submissions import Submission, SubmissionError
from mmseg_uncertainty.submissions.frames import shown
from mmseg_uncertainty.submissions.submission_check import progress


def submission_metrics(submission: Submission, folder: str | Path) -> dict[str, float]:
    """Rank anomalous above known pixels of all labelled frames together, by every single score.

    Args:
        submission: What was written.
        folder: Labels 0 (known), 1 (anomaly) and 255 (void), matched by stem.

    Returns:
        ``AP`` (step-wise), ``FPR95`` (at the first threshold with a true-positive rate of 95 %) and ``AUROC``, in percent.

    Raises:
        DatasetError: A label file cannot be used.
        SubmissionError: No frame, or not every one, has labels.
    """
    labels = index_by_stem(folder, LABEL_TAILS)
    files = {frame: labels.get(frame.name) or labels.get(frame.name.rpartition('/')[2]) for frame in submission.frames}
    missing = [frame.name for frame, path in files.items() if path is None]
    if missing:
        raise SubmissionError(f'{folder} lacks labels of {len(missing)} of {len(files)} frames: {shown(missing)}. Give the labels '
                              'of all, or leave out --labels.')
    spilled = SpilledScores()
    for frame, path in progress(files.items(), desc='measure'):
        scores, truth = submission.scores_of(submission.read(frame)), read_labels(path)
        check_labels(truth, path, frame.image, scores.shape, (IN_DISTRIBUTION, ANOMALY, VOID))
        known = truth != VOID
        spilled.update(scores[known].astype('float32'), truth[known])
    ranked = spilled.ranked()
    pixels = ranked.positives, ranked.negatives
    if not ranked.positives.any() or not ranked.negatives.any():
        raise SubmissionError(f'{folder} holds no pixel of an anomaly, or none of anything else, so nothing can be ranked.')
    return {name: 100 * float(measure(*pixels))
            for name, measure in (('AP', average_precision), ('FPR95', fpr_at_tpr), ('AUROC', auroc))}

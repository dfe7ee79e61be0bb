"""Write the files that a benchmark asks for, and check them."""
from __future__ import annotations

import argparse
import os
from pathlib import Path

from mmseg_uncertainty.runtime.output_files import check_output_folder
from mmseg_uncertainty.runtime.tta_options import tta_of
from mmseg_uncertainty.submissions import (BravoSubmission, FishyscapesSubmission, Frame, SmiycSubmission, Submission,
                                           SubmissionReport, check_submission, write_submission)
from mmseg_uncertainty.submissions.frames import frames_in
from mmseg_uncertainty.submissions.record import SubmissionRecord
from mmseg_uncertainty.submissions.splits import BRAVO, split_frames, split_of

IMAGE_FOLDERS = ('images', 'leftImg8bit')


def execute(args: argparse.Namespace) -> None:
    """Run the command."""
    check_output_folder(args.out, '--out')
    submission = submission_of(args, args.method or f'{Path(args.model or "").stem}_{args.head}')
    if args.check:
        report, told = check_submission(submission), {}
    else:
        report, told = predicted(args, submission)
    if args.labels:
        from mmseg_uncertainty.apis.submission_metrics import submission_metrics
        told['metrics'] = submission_metrics(submission, args.labels)
        print('\n'.join(f'{name:<8}{value:8.2f}' for name, value in told['metrics'].items()))
    if not args.check:
        record_of(args, submission).finish(told)
    print(summary(submission, report))


def predicted(args: argparse.Namespace, submission: Submission) -> tuple[SubmissionReport, dict]:
    """Predict and write what is not there yet."""
    from mmseg_uncertainty.apis.frame_predictor import FramePredictor
    predictor = FramePredictor(args.model, args.checkpoint, args.head, args.cfg_options, device=args.device, tta=tta_of(args),
                               max_pixels=args.max_pixels)
    rescale = args.rescale
    if submission.benchmark == 'bravo' and rescale == 'auto' and not predictor.tells_probabilities:
        rescale = 'always'
        print(f'{args.head} is no probability: confidences keep its ranks, and the calibration error of this submission says '
              'nothing. The head msp gives probabilities.')
    record_of(args, submission).start(dict(predictor.facts, rescale=rescale))
    report = write_submission(submission, predictor, rescale)
    return report, dict(report=vars(report))


def submission_of(args: argparse.Namespace, method: str) -> Submission:
    """The submission that the options describe.

    Raises:
        SubmissionError: A split is unknown or not whole.
    """
    if args.benchmark == 'bravo':
        return BravoSubmission(args.out, bravo_frames(args), '+'.join(args.split or ['bravo']))
    if args.split:
        split = split_of(args.benchmark, args.split[0])
        frames = split_frames(args.split[0], split, args.images or data_root(args) / split.images)
        name = split.stored_as
    else:
        frames, name = frames_in(args.images), folder_name(args.images)
    if args.benchmark == 'fishyscapes':
        return FishyscapesSubmission(args.out, frames, name)
    return SmiycSubmission(args.out, frames, name, method)


def bravo_frames(args: argparse.Namespace) -> list[Frame]:
    """Frames of the chosen subsets, or of any folder of images."""
    root = args.images or data_root(args) / 'bravo'
    if not args.split and not any((root / split.stored_as).is_dir() for split in BRAVO.values()) and args.images:
        prefix = f'bravo_{folder_name(root)}'
        return [Frame(f'{prefix}/{frame.name}', frame.image) for frame in frames_in(root)]
    splits = {name: split_of('bravo', name) for name in args.split or BRAVO}
    return [frame for name, split in splits.items() for frame in split_frames(name, split, root / split.stored_as, nested=True)]


def data_root(args: argparse.Namespace) -> Path:
    """Folder of all data."""
    return args.data_root or Path(os.environ.get('DATA_ROOT', 'data'))


def folder_name(folder: Path) -> str:
    """What images of a folder without a split are called."""
    folder = folder.absolute()
    return folder.parent.name if folder.name in IMAGE_FOLDERS else folder.name


def record_of(args: argparse.Namespace, submission: Submission) -> SubmissionRecord:
    """Where it is noted what was submitted."""
    method = getattr(submission, 'method', args.method or '')
    name = '_'.join(part for part in (submission.benchmark, method, submission.split) if part)
    return SubmissionRecord(submission.folder / f'{name}.json', submission)


def summary(submission: Submission, report: SubmissionReport) -> str:
    """What was written, in a line."""
    packed = submission.folder / 'submission.tar'
    return (f'{submission.split}: {report.frames} frames, {report.files} files, {report.bytes / 2**20:.1f} MiB, whole and of the '
            f'right size and type; {report.distinct_scores:,.0f} distinct scores a frame, at most {100 * report.tied_share:.2f} % '
            f'of its pixels tied. Folder: {submission.folder}' + (f', to send: {packed}' if packed.is_file() else ''))



"""Collect the labelled images of a SegmentMeIfYouCan track, or of the older RoadAnomaly.

Unpack dataset_AnomalyTrack.zip (10 labelled images), dataset_ObstacleTrack.zip (30) or RoadAnomaly_jpg.zip (60), then:

    python tools/dataset_converters/segment_me_if_you_can.py --source DIR/dataset_AnomalyTrack --out data/smiyc_anomaly

The dataset class also reads the first two as downloaded (``layout='segment_me_if_you_can'``). The labels of the other
images are not public: those are scored by the benchmark's own server.
"""
from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from conversion import ANOMALY_VALUES, Frame, parser, run
from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.label_values import ANOMALY

LABEL_TAIL = '_labels_semantic'
ROAD_ANOMALY_VALUES = {**ANOMALY_VALUES, 2: ANOMALY}
IMAGE_SUFFIXES = ('.webp', '.jpg', '.png')


def find_frames(source: Path) -> list[Frame]:
    """Pair ``labels_masks/X_labels_semantic.png`` with ``images/X``, or ``frames/X.labels/labels_semantic.png`` with
    ``frames/X``."""
    if (source / 'labels_masks').is_dir():
        labels = {path.stem.removesuffix(LABEL_TAIL): path for path in
                  sorted((source / 'labels_masks').glob(f'*{LABEL_TAIL}.png'))}
        folder = source / 'images'
    elif (source / 'frames').is_dir():
        labels = {path.parent.stem: path for path in sorted((source / 'frames').glob('*.labels/labels_semantic.png'))}
        folder = source / 'frames'
    else:
        raise DatasetError(f'{source} holds neither labels_masks/ (SegmentMeIfYouCan) nor frames/ (RoadAnomaly). '
                           'Unpack the download there, or name another folder with --source.')
    if not labels:
        raise DatasetError(f'{source} holds no label file …labels_semantic.png. Fetch the download again.')
    return [Frame(name, _image(folder, name), path) for name, path in labels.items()]


def _image(folder: Path, name: str) -> Path:
    candidates = [folder / f'{name}{suffix}' for suffix in IMAGE_SUFFIXES]
    return next((path for path in candidates if path.is_file()), candidates[1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = parser(__doc__)
    options.add_argument('--source', type=Path, required=True, metavar='DIR', help='the unpacked download')
    args = options.parse_args(arguments)
    is_track = (args.source / 'labels_masks').is_dir()
    is_obstacle = is_track and any((args.source / 'images').glob('*.webp'))
    official = 30 if is_obstacle else 10 if is_track else 60
    values = ANOMALY_VALUES if is_track else ROAD_ANOMALY_VALUES
    return run(lambda: find_frames(args.source), args.out, args.check, official, values)


if __name__ == '__main__':
    sys.exit(main())

"""Merge the Fishyscapes Static validation set (30 images) from its overlays and Cityscapes.

Unpack fs_val_v3.zip (overlays and labels, from fishyscapes.com; versions 1 and 2 give other numbers) and
leftImg8bit_trainvaltest.zip (Cityscapes), then:

    python tools/dataset_converters/fishyscapes_static.py --overlays DIR/fs_val_v3 \
        --cityscapes DIR/leftImg8bit/val --out data/fs_static
"""
from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from conversion import Frame, parser, run
from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.runtime.image_checks import walk_files

OFFICIAL_FRAMES = 30
LABEL_TAIL = '_labels.png'


def find_frames(overlays: Path, cityscapes: Path) -> list[Frame]:
    """Pair ``NNNN_<name>_labels.png`` with ``NNNN_<name>_rgb.npz`` and ``<city>/<name>_leftImg8bit.png``."""
    for folder in (overlays, cityscapes):
        if not folder.is_dir():
            raise DatasetError(f'{folder} is not a folder. Unpack the download there, or name another with --overlays '
                               'or --cityscapes.')
    files = sorted(path for path in walk_files(overlays) if path.name.endswith(LABEL_TAIL))
    if not files:
        raise DatasetError(f'{overlays} holds no file NNNN_…{LABEL_TAIL}. Name the unpacked overlays with --overlays.')
    frames = []
    for labels in files:
        stem = labels.name.removesuffix(LABEL_TAIL)
        name = stem.partition('_')[2]
        image = cityscapes / name.partition('_')[0] / f'{name}_leftImg8bit.png'
        frames.append(Frame(stem, image, labels, labels.with_name(f'{stem}_rgb.npz')))
    return frames


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = parser(__doc__)
    options.add_argument('--overlays', type=Path, required=True, metavar='DIR', help='the unpacked fs_val_v3')
    options.add_argument('--cityscapes', type=Path, required=True, metavar='DIR', help='leftImg8bit/val')
    args = options.parse_args(arguments)
    return run(lambda: find_frames(args.overlays, args.cityscapes), args.out, args.check, OFFICIAL_FRAMES)


if __name__ == '__main__':
    sys.exit(main())

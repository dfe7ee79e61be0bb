"""Put the Fishyscapes Lost and Found validation set (100 images) together from its two downloads.

Unpack fishyscapes_lostandfound.zip (masks, from fishyscapes.com) and leftImg8bit.zip (images, from the Lost and Found
data set), then:

    python tools/dataset_converters/fishyscapes_lost_and_found.py --masks DIR/fishyscapes_lostandfound \
        --images DIR/leftImg8bit --out data/fs_lost_found
"""
from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from conversion import Frame, parser, run
from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.runtime.image_checks import walk_files

OFFICIAL_FRAMES = 100
MASK_TAIL = '_labels.png'


def find_frames(masks: Path, images: Path) -> list[Frame]:
    """Pair ``NNNN_<name>_labels.png`` with ``{train,test}/<sequence>/<name>_leftImg8bit.png``."""
    for folder in (masks, images):
        if not folder.is_dir():
            raise DatasetError(f'{folder} is not a folder. Unpack the download there, or name another with --masks or '
                               '--images.')
    sources = {path.name: path for path in sorted(walk_files(images)) if path.name.endswith('_leftImg8bit.png')}
    files = sorted(path for path in walk_files(masks) if path.name.endswith(MASK_TAIL))
    if not files:
        raise DatasetError(f'{masks} holds no file NNNN_…{MASK_TAIL}. Name the folder of the masks with --masks.')
    frames = []
    for mask in files:
        number, _, name = mask.name.removesuffix(MASK_TAIL).partition('_')
        image = f'{name}_leftImg8bit.png'
        sequence = name.rsplit('_', 2)[0]
        frames.append(Frame(f'{number}_{name}', sources.get(image, images / 'train' / sequence / image), mask))
    return frames


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = parser(__doc__)
    options.add_argument('--masks', type=Path, required=True, metavar='DIR', help='the unpacked fishyscapes_lostandfound')
    options.add_argument('--images', type=Path, required=True, metavar='DIR',
                         help='the unpacked leftImg8bit of Lost and Found')
    args = options.parse_args(arguments)
    return run(lambda: find_frames(args.masks, args.images), args.out, args.check, OFFICIAL_FRAMES)


if __name__ == '__main__':
    sys.exit(main())

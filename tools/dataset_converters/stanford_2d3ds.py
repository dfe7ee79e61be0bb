"""Turn the label images of Stanford 2D-3D-S into class maps: uint8 PNG, 0 = <UNK>, 1 = beam … 13 = window.

The download has area_<A>/data/rgb, area_<A>/data/semantic and assets/semantic_labels.json. Then:

    python tools/dataset_converters/stanford_2d3ds.py --source data/s3dis_2d

writes area_<A>/data/semantic_classes beside them, eight times smaller than int64 and decoded once. An area that is there
already is left alone; one that is interrupted starts again. With --check nothing is written.
"""
from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from tqdm.auto import tqdm

from mmseg_uncertainty.datasets import DatasetError, S3DIS2DDataset
from mmseg_uncertainty.datasets.image_files import list_images
from mmseg_uncertainty.datasets.s3dis_2d_dataset import AREA_PRESETS, AREAS, area_names
from mmseg_uncertainty.datasets.transforms.load_instance_colors import read_class_table, read_instance_colors

OFFICIAL = {'1': 10327, '2': 15714, '3': 3704, '4': 13268, '5a': None, '5b': None, '6': 9890}
CLASSES = S3DIS2DDataset.METAINFO['classes']


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--source', type=Path, required=True, metavar='DIR', help='folder of the download')
    parser.add_argument('--out', type=Path, metavar='DIR', help='folder to write area_<A> into; default: the source')
    parser.add_argument('--areas', nargs='+', metavar='AREA',
                        help=f'areas out of {", ".join(AREAS)}, or one of {", ".join(AREA_PRESETS)}; default: those there')
    parser.add_argument('--check', action='store_true', help='only say what is missing; write nothing')
    return parser.parse_args(arguments)


def areas_there(source: Path) -> tuple[str, ...]:
    """Areas whose folder exists.

    Raises:
        DatasetError: There is none.
    """
    found = tuple(area for area in AREAS if (source / f'area_{area}').is_dir())
    if not found:
        raise DatasetError(f'{source} holds none of the folders area_{", area_".join(AREAS)}. Name the folder of the '
                           'download with --source.')
    return found


def convert_area(source: Path, out: Path, area: str) -> int:
    """Write the class maps of one area; the folder appears once all are written.

    Returns:
        Number of maps.
    """
    target = out / f'area_{area}' / 'data' / 'semantic_classes'
    if target.exists():
        return len(list_images(target))
    table = read_class_table(str(source / 'assets' / 'semantic_labels.json'), CLASSES)
    files = list_images(source / f'area_{area}' / 'data' / 'semantic')
    partial = target.with_name(f'.{target.name}-partial')
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for path in tqdm(files, desc=f'area {area}'):
        Image.fromarray(read_instance_colors(path, table)).save(partial / f'{path.stem}.png')
    partial.rename(target)
    return len(files)


def unpaired(source: Path, area: str) -> list[str]:
    """Stems that have an image and no label, or the reverse."""
    stems = [{path.stem.removesuffix(tail) for path in list_images(source / f'area_{area}' / 'data' / folder)}
             for folder, tail in (('rgb', '_rgb'), ('semantic', '_semantic'))]
    return sorted(stems[0] ^ stems[1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    args = parse_args(arguments)
    complete = True
    try:
        wanted = args.areas[0] if args.areas and args.areas[0] in AREA_PRESETS else args.areas
        for area in area_names(wanted) if wanted else areas_there(args.source):
            alone = unpaired(args.source, area)
            for stem in alone:
                print(f'area {area}: {stem} lacks its image or its labels')
            complete &= not alone
            if args.check:
                frames = len(list_images(args.source / f'area_{area}' / 'data' / 'semantic'))
                official = OFFICIAL[area] or '17593 in 5a and 5b'
                print(f'area {area}: found {frames} label images; the official data set has {official}')
                continue
            print(f'area {area}: {convert_area(args.source, args.out or args.source, area)} class maps')
    except (DatasetError, ValueError) as error:
        print(f'error: {error}')
        return 1
    return int(not complete)


if __name__ == '__main__':
    sys.exit(main())

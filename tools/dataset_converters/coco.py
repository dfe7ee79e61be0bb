"""Cut one category out of MS-COCO, looked up by its name, for calibration by position.

Unpack train2017.zip, val2017.zip and annotations_trainval2017.zip of COCO 2017 into one folder, then:

    python tools/dataset_converters/coco.py --source DIR --category person --out data/coco_person

Images of train2017 that show the category are shuffled: 1000 train, 1000 validate, the others calibrate. Those of
val2017 test. Every image is scaled to a width of 320 and padded or cropped to a height of 240 about its middle, so that
positions compare; padding is void. Crowds belong to their category.
"""
from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from conversion import parser
from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.label_values import VOID

SUBPIXEL_BITS = 4
JPEG_QUALITY = 95


@dataclass(frozen=True)
class Picture:
    """One image and what it shows.

    Args:
        path: Image file.
        size: Height and width.
        segments: Polygons and run-length codes of the category.
    """

    path: Path
    size: tuple[int, int]
    segments: list


def find_pictures(annotations: Path, images: Path, category: str) -> list[Picture]:
    """Images that show a category, sorted by name.

    Args:
        annotations: File such as ``instances_val2017.json``.
        images: Folder of the image files.
        category: Its name.

    Raises:
        DatasetError: The file is missing or no COCO file, or does not know the category.
    """
    try:
        content = json.loads(annotations.read_text(encoding='utf-8'))
        numbers = {entry['name']: entry['id'] for entry in content['categories']}
        sizes = {entry['id']: (images / entry['file_name'], (entry['height'], entry['width']))
                 for entry in content['images']}
        entries = [entry for entry in content['annotations'] if entry['category_id'] == numbers.get(category)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f'{annotations} cannot be read as COCO instances ({error}). Unpack '
                           'annotations_trainval2017.zip there.') from error
    if category not in numbers:
        raise DatasetError(f'{annotations} has no category {category!r}; it knows {", ".join(sorted(numbers))}.')
    segments: dict[int, list] = {}
    for entry in entries:
        wrong = _fault(entry, sizes)
        if wrong:
            raise DatasetError(f'{annotations}: annotation {entry.get("id", entry)} of {category} {wrong}. Correct or '
                               'remove the entry.')
        segments.setdefault(entry['image_id'], []).append(entry['segmentation'])
    pictures = [Picture(*sizes[number], found) for number, found in segments.items()]
    return sorted(pictures, key=lambda picture: picture.path.name)


def _fault(entry: dict, sizes: Mapping) -> str:
    """What is wrong with an annotation, ``''`` if nothing is."""
    segmentation = entry.get('segmentation')
    if entry.get('image_id') not in sizes:
        return f'is of image {entry.get("image_id")}, which the file does not list'
    if isinstance(segmentation, dict):
        counts = segmentation.get('counts')
        known = isinstance(counts, str) or (isinstance(counts, list) and all(isinstance(count, int) for count in counts))
        return '' if known else 'has a run-length code without counts'
    if not isinstance(segmentation, list) or not segmentation:
        return f'has the segmentation {segmentation!r}, expected polygons or a run-length code'
    for polygon in segmentation:
        if not isinstance(polygon, list) or not all(isinstance(part, (int, float)) for part in polygon):
            return f'has the polygon {str(polygon)[:60]}, expected a list of coordinates x, y, x, y'
        if len(polygon) < 6 or len(polygon) % 2:
            return f'has a polygon of {len(polygon)} numbers, expected x and y of 3 points or more'
    return ''


def divide(pictures: Sequence[Picture], num_train: int, num_val: int, num_calibration: int | None,
           seed: int) -> dict[str, list[Picture]]:
    """Shuffle, then train, validate and calibrate with them.

    Raises:
        DatasetError: No picture is left to calibrate with.
    """
    shuffled = list(pictures)
    random.Random(seed).shuffle(shuffled)
    first = num_train + num_val
    if len(shuffled) <= first:
        raise DatasetError(f'{len(shuffled)} images show the category, which leaves none to calibrate with after '
                           f'{num_train} for training and {num_val} for validation. Lower --train and --val.')
    last = len(shuffled) if num_calibration is None else first + num_calibration
    return dict(train=shuffled[:num_train], val=shuffled[num_train:first], calibration=shuffled[first:last])


def draw_labels(picture: Picture) -> np.ndarray:
    """1 where the category is, 0 elsewhere, shape (H, W), uint8.

    Raises:
        DatasetError: A run-length code is compressed or does not fill the image.
    """
    labels = np.zeros(picture.size, np.uint8)
    for segment in picture.segments:
        if isinstance(segment, dict):
            counts = segment['counts']
            if isinstance(counts, str) or sum(counts) != labels.size:
                raise DatasetError(f'{picture.path.name}: a run-length code is compressed or does not fill '
                                   f'{picture.size} pixels, expected a list of counts as in instances_*2017.json.')
            runs = np.repeat(np.arange(len(counts)) % 2, counts)
            labels |= runs.reshape(picture.size, order='F').astype(np.uint8)
            continue
        for polygon in segment:
            # COCO measures from the corner of the first pixel, OpenCV from its middle.
            points = np.round((np.reshape(polygon, (-1, 1, 2)) - 0.5) * 2**SUBPIXEL_BITS).astype(np.int32)
            cv2.fillPoly(labels, [points], 1, shift=SUBPIXEL_BITS)
    return labels


def fit_frame(values: np.ndarray, size: tuple[int, int], border: int, interpolation: int) -> np.ndarray:
    """Scale to a width, then pad or crop to a height about the middle.

    Args:
        values: Shape (H, W) or (H, W, 3).
        size: Width and height of the result.
        border: Value of what is added.
        interpolation: One of OpenCV's.
    """
    width, height = size
    rows = max(1, round(len(values) * width / values.shape[1]))
    scaled = cv2.resize(values, (width, rows), interpolation=interpolation)
    missing = height - len(scaled)
    if missing < 0:
        return scaled[-missing // 2:][:height]
    rows = (missing // 2, missing - missing // 2)
    return np.pad(scaled, (rows, *((0, 0), ) * (values.ndim - 1)), constant_values=border)


def write(parts: dict[str, list[Picture]], out: Path, size: tuple[int, int]) -> None:
    """Write all parts to ``out``, which appears once everything is written.

    Raises:
        DatasetError: ``out`` exists, or an image cannot be read or has another size than its annotations say.
    """
    if out.exists():
        raise DatasetError(f'{out} exists already. Remove it, or choose another folder with --out.')
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f'.{out.name}-', dir=out.parent))
    try:
        for part, pictures in parts.items():
            for folder in ('images', 'labels'):
                (partial / part / folder).mkdir(parents=True)
            for picture in pictures:
                _write_picture(picture, partial / part, size)
        partial.chmod(0o755)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_picture(picture: Picture, folder: Path, size: tuple[int, int]) -> None:
    image = _read_as_annotated(picture)
    labels = fit_frame(draw_labels(picture), size, VOID, cv2.INTER_NEAREST)
    cv2.imwrite(str(folder / 'images' / f'{picture.path.stem}.jpg'), fit_frame(image, size, 0, cv2.INTER_AREA),
                [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    cv2.imwrite(str(folder / 'labels' / f'{picture.path.stem}.png'), labels)


def _read_as_annotated(picture: Picture) -> np.ndarray:
    """The image of a picture, shape (H, W, 3), uint8, BGR; annotations of turned photos may be of either view."""
    sizes = []
    for mode in (cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION, cv2.IMREAD_COLOR):
        image = cv2.imread(str(picture.path), mode)
        if image is None:
            raise DatasetError(f'{picture.path} cannot be read as an image. Fetch it again.')
        if image.shape[:2] == tuple(picture.size):
            return image
        sizes.append(image.shape[:2])
    turned = f', turned as its EXIF says {sizes[1]}' if sizes[1] != sizes[0] else ''
    raise DatasetError(f'{picture.path} is of {sizes[0]} rows and columns{turned}, its annotations expect '
                       f'{tuple(picture.size)}. Fetch the image that was annotated.')


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = parser(__doc__)
    options.add_argument('--source', type=Path, required=True, metavar='DIR',
                         help='holds train2017, val2017 and annotations')
    options.add_argument('--category', default='person', metavar='NAME', help='of COCO; default: %(default)s')
    options.add_argument('--train', type=int, default=1000, metavar='N', help='images that train; default: %(default)s')
    options.add_argument('--val', type=int, default=1000, metavar='N', help='images that validate; default: %(default)s')
    options.add_argument('--calibration', type=int, metavar='N', help='keep so many; default: all that are left')
    options.add_argument('--size', type=int, nargs=2, default=(320, 240), metavar=('W', 'H'),
                         help='width and height of the images to write; default: 320 240')
    options.add_argument('--seed', type=int, default=42, metavar='N', help='of the shuffle; default: %(default)s')
    args = options.parse_args(arguments)
    try:
        trained, tested = (
            find_pictures(args.source / f'annotations/instances_{name}.json', args.source / name, args.category)
            for name in ('train2017', 'val2017'))
        parts = dict(divide(trained, args.train, args.val, args.calibration, args.seed), test=tested)
        absent = [picture.path for pictures in parts.values() for picture in pictures if not picture.path.is_file()]
        for path in absent:
            print(f'missing: {path}')
        print(f'{args.category}: ' + ', '.join(f'{len(pictures)} {part}' for part, pictures in parts.items())
              + f'; {len(absent)} files are missing')
        if args.check:
            return int(bool(absent))
        if absent:
            raise DatasetError(f'{absent[0]} is missing, as are {len(absent) - 1} further images. Complete the '
                               'download; --check lists all of them.')
        write(parts, args.out, tuple(args.size))
    except DatasetError as error:
        print(f'error: {error}')
        return 1
    print(f'wrote {sum(map(len, parts.values()))} images and labels to {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())

"""Find, pair and read image and label files; everything unusable raises a :class:`DatasetError` that names the file."""
from __future__ import annotations

from collections.abc import Collection, Sequence
from io import BytesIO
from pathlib import Path

import mmengine.fileio as fileio
import numpy as np
from PIL import Image, UnidentifiedImageError

from mmseg_uncertainty.runtime.image_checks import IMAGE_SUFFIXES, SKIP_HINT, check_image_file, list_images, walk_files
from mmseg_uncertainty.runtime.image_headers import large_images

from .dataset_error import DatasetError

__all__ = ['IMAGE_SUFFIXES', 'SKIP_HINT', 'check_image_file', 'check_labels', 'index_by_stem', 'list_images', 'read_labels',
           'read_pixels', 'stem_key', 'walk_files']

# What OpenCV reads as an image, labels are read up to.
LARGEST_IMAGE = 2**30


def stem_key(path: Path, folder: Path, tails: Sequence[str]) -> str:
    """Path of a file inside its folder without suffix and without the first of ``tails`` that its name ends with."""
    key = path.relative_to(folder).with_suffix('').as_posix()
    tail = next((tail for tail in tails if tail and key.endswith(tail)), '')
    return key.removesuffix(tail)


def index_by_stem(folder: str | Path, tails: Sequence[str] = (), suffix: str | None = None) -> dict[str, Path]:
    """Map the stem key of every image file in a folder to its path.

    Args:
        folder: Where to look, sub-folders and linked ones included.
        tails: See :func:`stem_key`.
        suffix: End of the names to take, such as ``'_labels.png'``, which the keys lack; ``None`` takes all image files.

    Raises:
        DatasetError: If the folder is missing or empty, or two files share one key.
    """
    folder = Path(folder)
    index: dict[str, Path] = {}
    for path in list_images(folder) if suffix is None else _files_ending_in(folder, suffix):
        key = stem_key(path, folder, tails) if suffix is None else path.relative_to(folder).as_posix().removesuffix(suffix)
        if key in index:
            raise DatasetError(f'{path} and {index[key]} have the same stem {key!r}. Files are matched by stem: '
                               'keep one of them, or choose by img_suffix and seg_map_suffix of the dataset.')
        index[key] = path
    return index


def _files_ending_in(folder: Path, suffix: str) -> list[Path]:
    files = sorted(path for path in walk_files(folder) if path.name.endswith(suffix)) if folder.is_dir() else []
    if not files:
        raise DatasetError(f'{folder} holds no file that ends in {suffix!r}. Check data_root and data_prefix, and '
                           'img_suffix and seg_map_suffix, of the dataset.')
    return files


def read_labels(path: str | Path, backend_args: dict | None = None) -> np.ndarray:
    """Read a label map.

    Args:
        path: Image file with one channel, or with equal colour channels; palette images give their indices.
        backend_args: See :func:`mmengine.fileio.get`.

    Returns:
        Shape (H, W), integers as wide as stored.

    Raises:
        DatasetError: If the file is missing, is no image, has differing channels or holds no integers.
    """
    labels = read_pixels(path, backend_args)
    if labels.dtype.kind not in 'biu':
        raise DatasetError(f'Label file {path} holds {labels.dtype} values, expected one class index per pixel as integers. '
                           f'Convert it to a PNG of 8 bits. {SKIP_HINT}')
    if labels.ndim == 2:
        return labels.astype(np.uint8) if labels.dtype == bool else labels
    # Grey and colour images may have a channel of transparency.
    labels = labels[..., :labels.shape[-1] - (labels.shape[-1] in (2, 4))]
    if (labels != labels[..., :1]).any():
        raise DatasetError(f'Label file {path} has {labels.shape[-1]} differing channels, expected one class index per '
                           f'pixel. Convert colours to indices first. {SKIP_HINT}')
    return labels[..., 0]


def read_pixels(path: str | Path, backend_args: dict | None = None) -> np.ndarray:
    """Pixels of a label file as stored, shape (H, W) or (H, W, channels).

    Raises:
        DatasetError: If the file is missing, is no image, or is larger than what OpenCV reads.
    """
    try:
        content = fileio.get(str(path), backend_args=backend_args)
        with large_images(), Image.open(BytesIO(content)) as image:
            if image.width * image.height > LARGEST_IMAGE:
                raise DatasetError(f'Label file {path} has {image.width}×{image.height} pixels, expected {LARGEST_IMAGE} at '
                                   f'most, as of images. Cut images and labels in tiles. {SKIP_HINT}')
            return np.array(image)
    except FileNotFoundError:
        raise DatasetError(f'Label file {path} is missing. Every image needs one; re-run the converter in '
                           'tools/dataset_converters, or remove the image.') from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, MemoryError) as error:
        reason = str(error) or 'too large for the memory'
        raise DatasetError(f'Label file {path} cannot be read ({reason}). {SKIP_HINT}') from error


def check_labels(labels: np.ndarray,
                 path: str | Path,
                 image_path: str | Path,
                 image_size: tuple[int, int],
                 values: Collection[int] | None = None) -> None:
    """Raise unless labels fit their image and hold known values only.

    Args:
        labels: Shape (H, W), integers.
        path: File of the labels.
        image_path: File of the image.
        image_size: Height and width of the image in pixels.
        values: Known label values; ``None`` accepts all from 0 to 255.

    Raises:
        DatasetError: If size or values are wrong.
    """
    if labels.shape != tuple(image_size):
        raise DatasetError(f'{path} is {labels.shape[1]}×{labels.shape[0]}, its image {image_path} is '
                           f'{image_size[1]}×{image_size[0]}. Labels must have the size of their image. {SKIP_HINT}')
    allowed = range(256) if values is None else sorted(values)
    unknown = _unknown_values(labels, allowed)
    if len(unknown):
        count = int(np.isin(labels, unknown).sum())
        raise DatasetError(f'{path} holds the label values {unknown[:8].tolist()} in {count} pixels, expected only '
                           f'{_short(allowed)}. Convert the labels, and store them losslessly (PNG). {SKIP_HINT}')


def _unknown_values(labels: np.ndarray, allowed: Sequence[int]) -> np.ndarray:
    if not labels.size:
        return labels.ravel()
    if labels.min() < 0 or labels.max() >= 2**16:
        return np.setdiff1d(labels, allowed)
    known = np.zeros(int(labels.max()) + 1, dtype=bool)
    known[[value for value in allowed if value < known.size]] = True
    return np.unique(labels[~known[labels]]) if not known.all() else labels[:0].ravel()


def _short(values: Sequence[int]) -> str:
    numbers = list(values)
    return f'{numbers[:4]} … {numbers[-2:]}'.replace('] … [', ', …, ') if len(numbers) > 16 else str(numbers)

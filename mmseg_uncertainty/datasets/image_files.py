"""Find, pair and read image and label files; everything unusable raises a :class:`DatasetError` that names the file."""
from __future__ import annotations

from collections.abc import Collection, Sequence
from io import BytesIO
from pathlib import Path

import mmengine.fileio as fileio
import numpy as np
from PIL import Image, UnidentifiedImageError

from mmseg_uncertainty.runtime.image_checks import IMAGE_SUFFIXES, SKIP_HINT, check_image_file, list_images

from .dataset_error import DatasetError

__all__ = ['IMAGE_SUFFIXES', 'SKIP_HINT', 'check_image_file', 'check_labels', 'index_by_stem', 'list_images', 'read_labels',
           'stem_key']


def stem_key(path: Path, folder: Path, tails: Sequence[str]) -> str:
    """Path of a file inside its folder without suffix and without the first of ``tails`` that its name ends with."""
    key = path.relative_to(folder).with_suffix('').as_posix()
    tail = next((tail for tail in tails if tail and key.endswith(tail)), '')
    return key.removesuffix(tail)


def index_by_stem(folder: str | Path, tails: Sequence[str] = ()) -> dict[str, Path]:
    """Map the stem key of every image file in a folder to its path.

    Raises:
        DatasetError: If the folder is missing or empty, or two files share one key.
    """
    folder = Path(folder)
    index: dict[str, Path] = {}
    for path in list_images(folder):
        key = stem_key(path, folder, tails)
        if key in index:
            raise DatasetError(f'{path} and {index[key]} have the same stem {key!r}. Files are matched by stem: '
                               'keep one of them.')
        index[key] = path
    return index


def read_labels(path: str | Path, backend_args: dict | None = None) -> np.ndarray:
    """Read a label map.

    Args:
        path: Image file with one channel, or with equal colour channels; palette images give their indices.
        backend_args: See :func:`mmengine.fileio.get`.

    Returns:
        Shape (H, W), uint8 or wider as stored.

    Raises:
        DatasetError: If the file is missing, is no image or has differing channels.
    """
    try:
        with Image.open(BytesIO(fileio.get(str(path), backend_args=backend_args))) as image:
            labels = np.array(image)
    except FileNotFoundError:
        raise DatasetError(f'Label file {path} is missing. Every image needs one; re-run the converter in '
                           'tools/dataset_converters, or remove the image.') from None
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise DatasetError(f'Label file {path} cannot be read ({error}). {SKIP_HINT}') from error
    if labels.ndim == 2:
        return labels.astype(np.uint8) if labels.dtype == bool else labels
    labels = labels[..., :3] if labels.shape[-1] == 4 else labels
    if (labels != labels[..., :1]).any():
        raise DatasetError(f'Label file {path} has {labels.shape[-1]} differing channels, expected one class index per '
                           'pixel. Convert colours to indices first.')
    return labels[..., 0]


def check_labels(labels: np.ndarray,
                 path: str | Path,
                 image_path: str | Path,
                 image_size: tuple[int, int],
                 values: Collection[int] | None = None) -> None:
    """Raise unless labels fit their image and hold known values only.

    Args:
        labels: Shape (H, W), unsigned integers.
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
    known = np.zeros(int(labels.max(initial=0)) + 1, dtype=bool)
    known[[value for value in allowed if value < known.size]] = True
    unknown = np.unique(labels[~known[labels]]) if not known.all() else ()
    if len(unknown):
        count = int(np.isin(labels, unknown).sum())
        raise DatasetError(f'{path} holds the label values {unknown[:8].tolist()} in {count} pixels, expected only '
                           f'{_short(allowed)}. Convert the labels, and store them losslessly (PNG). {SKIP_HINT}')


def _short(values: Sequence[int]) -> str:
    numbers = list(values)
    return f'{numbers[:4]} … {numbers[-2:]}'.replace('] … [', ', …, ') if len(numbers) > 16 else str(numbers)

"""Find image files and tell whole ones from broken ones."""
from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from .dataset_error import DatasetError

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp', '.bmp', '.tif', '.tiff')
SKIP_HINT = 'Repair or remove the file, or pass --skip-broken (dataset option skip_broken=True) to leave it out.'
PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
# 0xFF before 0x00 or a restart marker belongs to the coded data of a JPEG, and 0xFF may be repeated before a marker.
JPEG_MARKER = re.compile(rb'\xff[^\x00\xd0-\xd7\xff]')
START_OF_SCAN, END_OF_IMAGE = 0xda, 0xd9


def walk_files(folder: str | Path) -> Iterator[Path]:
    """Files of a folder and its sub-folders, through symbolic links; a link back to a folder above is not followed again.

    Raises:
        DatasetError: A folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise DatasetError(f'{error.filename} cannot be read ({error.strerror}). Change its permissions, or move it '
                           'elsewhere.')

    above: dict[str, frozenset[str]] = {}
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        passed = above.pop(parent, frozenset()) | {os.path.realpath(parent)}
        folders[:] = [name for name in folders if os.path.realpath(os.path.join(parent, name)) not in passed]
        above |= {os.path.join(parent, name): passed for name in folders}
        yield from (Path(parent, name) for name in files)


def list_images(folder: str | Path) -> list[Path]:
    """Image files of a folder and its sub-folders, linked ones too, sorted by path.

    Raises:
        DatasetError: If the folder is missing or holds no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f'{folder} is not a folder. Put the data there, or point the dataset elsewhere with '
                           '--data-root DIR (dataset option data_root).')
    files = sorted(path for path in walk_files(folder) if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise DatasetError(f'{folder} holds no image ({", ".join(IMAGE_SUFFIXES)}). Fill it, or point the dataset '
                           'elsewhere with --data-root DIR (dataset option data_root).')
    return files


def check_image_file(path: str | Path, content: bytes, advice: str = SKIP_HINT) -> None:
    """Raise if an image file is empty or was cut off, which OpenCV decodes without complaint.

    What follows the end of a whole image, such as the video of a moving photo, is no fault.

    Args:
        path: Where the content came from.
        content: Bytes of the file.
        advice: What to do about a broken one.

    Raises:
        DatasetError: If the file is no PNG, JPEG or WebP of full length; other formats pass.
    """
    if not content:
        raise DatasetError(f'{path} is empty (0 bytes), expected an image. {advice}')
    whole = True
    if content.startswith(PNG_SIGNATURE):
        whole = _is_whole_png(content)
    elif content.startswith(b'\xff\xd8'):
        whole = _is_whole_jpeg(content)
    elif content.startswith(b'RIFF'):
        whole = len(content) >= int.from_bytes(content[4:8], 'little') + 8
    if not whole:
        raise DatasetError(f'{path} was cut off after {len(content)} bytes. {advice}')


def _is_whole_png(content: bytes) -> bool:
    """Whether the chunks reach IEND; each is its length, its name, its data and a checksum."""
    position = len(PNG_SIGNATURE)
    while position + 12 <= len(content):
        end = position + 12 + int.from_bytes(content[position:position + 4], 'big')
        if content[position + 4:position + 8] == b'IEND':
            return True
        position = end
    return False


def _is_whole_jpeg(content: bytes) -> bool:
    """Whether the first image reaches its end; a thumbnail inside a segment is passed over with it."""
    position, scanned = 2, False
    while (marker := JPEG_MARKER.search(content, position)) is not None:
        kind = content[marker.end() - 1]
        if kind == END_OF_IMAGE:
            return scanned
        scanned |= kind == START_OF_SCAN
        position = marker.end() + int.from_bytes(content[marker.end():marker.end() + 2], 'big')
    return False

"""Find image files and tell whole ones from broken ones."""
from __future__ import annotations

from pathlib import Path

from .dataset_error import DatasetError

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp', '.bmp', '.tif', '.tiff')
SKIP_HINT = 'Repair or remove the file, or pass --skip-broken (dataset option skip_broken=True) to leave it out.'


def list_images(folder: str | Path) -> list[Path]:
    """Image files of a folder and its sub-folders, sorted by path.

    Raises:
        DatasetError: If the folder is missing or holds no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f'{folder} is not a folder. Put the data there, or point the dataset elsewhere with '
                           '--data-root DIR (dataset option data_root).')
    files = sorted(path for path in folder.rglob('*') if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not files:
        raise DatasetError(f'{folder} holds no image ({", ".join(IMAGE_SUFFIXES)}). Fill it, or point the dataset '
                           'elsewhere with --data-root DIR (dataset option data_root).')
    return files


def check_image_file(path: str | Path, content: bytes) -> None:
    """Raise if an image file is empty or was cut off, which OpenCV decodes without complaint.

    Args:
        path: Where the content came from.
        content: Bytes of the file.

    Raises:
        DatasetError: If the file is no PNG, JPEG or WebP of full length; other formats pass.
    """
    if not content:
        raise DatasetError(f'{path} is empty (0 bytes), expected an image. {SKIP_HINT}')
    whole = True
    if content.startswith(b'\x89PNG'):
        whole = b'IEND' in content[-4096:]
    elif content.startswith(b'\xff\xd8'):
        whole = content.rfind(b'\xff\xd9') > content.rfind(b'\xff\xda')
    elif content.startswith(b'RIFF'):
        whole = len(content) >= int.from_bytes(content[4:8], 'little') + 8
    if not whole:
        raise DatasetError(f'{path} was cut off after {len(content)} bytes. {SKIP_HINT}')

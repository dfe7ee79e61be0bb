"""Which data a measurement saw, told by content, so that a folder may move and two folders never pass for one."""
from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from mmseg.registry import DATASETS

CHUNK = 2**20


def data_identity(dataset: Mapping, every: int = 1) -> str:
    """Hash of the images and labels of a dataset by their paths below its root and their contents.

    Args:
        dataset: Config of the dataset; its pipeline does not count.
        every: Each how many-th sample is looked at.

    Returns:
        Hexadecimal SHA-256.

    Raises:
        DatasetError: Files are missing.
    """
    return _identity_of(json.dumps({key: value for key, value in dataset.items() if key != 'pipeline'}, sort_keys=True,
                                   default=str), _Options(dataset), every)


class _Options:
    """Options of a dataset that do not count in the key of a cache."""

    def __init__(self, options: Mapping) -> None:
        self.options = options

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Options)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=64)
def _identity_of(_: str, options: _Options, every: int) -> str:
    dataset = DATASETS.build(dict(copy.deepcopy(dict(options.options)), pipeline=[]))
    root, digest = getattr(dataset, 'data_root', None), hashlib.sha256()
    for index in range(0, len(dataset), every):
        info = dataset.get_data_info(index)
        for key in ('img_path', 'seg_map_path'):
            path = info.get(key)
            if path is None:
                continue
            file = Path(path)
            below = file.relative_to(root) if root and file.is_relative_to(root) else file.name if file.is_file() else file
            digest.update(f'{key} {below}\n'.encode(errors='surrogateescape'))
            if file.is_file():
                digest.update(content_hash(str(file), *_state(file)))
        # Rendered images have no file; what they are made from is their content.
        digest.update(json.dumps(info.get('render'), sort_keys=True, default=str).encode())
    return digest.hexdigest()


@lru_cache(maxsize=2**17)
def content_hash(path: str, changed: int, size: int) -> bytes:
    """SHA-256 of a file, read again once it has changed."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.digest()


def _state(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_mtime_ns, state.st_size

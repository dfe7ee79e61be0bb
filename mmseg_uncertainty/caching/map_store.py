"""Arrays on disk: checksummed, memory-mapped, bounded, and safe to share between processes."""
from __future__ import annotations

import mmap
import os
import struct
import time
import uuid
import zlib
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

PRECISIONS = ('float16', 'float32')
MAGIC = b'MAP1'
CHECKSUM = struct.Struct('<4sI')
LAYOUT = struct.Struct('<BB4B4I34x')
STALE_SECONDS = 3600
BYTES_BETWEEN_SCANS = 256 * 2**20


class MapStore:
    """A folder with one file per array, up to four dimensions.

    A file appears whole or not at all, whoever stops whenever: it is written beside its place and renamed. Two
    processes that write the same array write the same bytes. Every read is checked against a CRC-32 of header and
    content; a file that does not pass counts as absent and is overwritten by the next :meth:`write`. Arrays come back
    in the memory layout they had, by which operators round.

    Where a value leaves the range of ``float16`` its array is kept in ``float32``.

    Args:
        directory: Folder of the store, made if missing.
        precision: ``'float16'`` or ``'float32'``.
        limit: Bytes that the folder :attr:`bounded` may hold; what comes after is not written, which is said once.
        bounded: Folder whose size is limited, ``directory`` or one that holds it.

    Raises:
        ValueError: An option is out of range, or the directory is a file.
    """

    def __init__(self, directory: str | Path, precision: str, limit: int, bounded: str | Path | None = None) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f'precision={precision!r} of the cache is unknown; choose from {PRECISIONS}.')
        if limit <= 0:
            raise ValueError(f'The cache limit must be positive, found {limit} bytes.')
        self.directory, self.bounded = Path(directory), Path(bounded or directory)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise ValueError(f'The cache folder {directory} is a file; name a folder.') from None
        self.precision, self.limit = np.dtype(precision), limit
        self._full = False
        self._remove_stale()
        self._scan()

    def path(self, name: str) -> Path:
        """File of an array."""
        return self.directory / name[:2] / name

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """What :meth:`read` will return for these values: the values as they are stored, in float32."""
        return self._stored(values).astype(np.float32)

    def read(self, name: str) -> np.ndarray | None:
        """A float32 copy of an array; ``None`` where it is absent or its file is damaged."""
        path = self.path(name)
        try:
            with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _decode(content)
        except FileNotFoundError:
            return None
        except (ValueError, struct.error) as error:
            print_log(f'{path} is damaged ({error}). It is computed again.', 'current', level=30)
            return None

    def write(self, name: str, values: np.ndarray) -> bool:
        """Store an array; returns whether there was room for it."""
        content = _encode(self._stored(values))
        if self._full or not self._has_room(len(content)):
            return False
        path = self.path(name)
        partial = path.with_name(f'.{name}.{uuid.uuid4().hex}.partial')
        try:
            path.parent.mkdir(exist_ok=True)
            partial.write_bytes(content)
            os.replace(partial, path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            self._refuse(f'it cannot be written to: {error}')
            return False
        self._bytes += len(content)
        self._unscanned += len(content)
        return True

    def _stored(self, values: np.ndarray) -> np.ndarray:
        if self.precision == np.float16 and values.size and not np.abs(values).max() <= np.finfo(np.float16).max:
            return values.astype(np.float32, copy=False)
        return values.astype(self.precision, copy=False)

    def _has_room(self, size: int) -> bool:
        if self._unscanned > BYTES_BETWEEN_SCANS or self._bytes + size > self.limit:
            self._scan()
        if self._bytes + size > self.limit:
            self._refuse(f'it holds {self._bytes / 1e9:.1f} GB of at most {self.limit / 1e9:.1f} GB. Raise '
                         '--cache-limit or remove folders of base models in it that are no longer used')
        return not self._full

    def _refuse(self, reason: str) -> None:
        self._full = True
        print_log(f'Nothing more is added to the cache {self.bounded}: {reason}. What it lacks is computed.', 'current',
                  level=30)

    def _scan(self) -> None:
        """Count what all processes have written."""
        self._unscanned = 0
        self._bytes = sum(_size(path) for path in self.bounded.rglob('*') if not path.is_dir())

    def _remove_stale(self) -> None:
        """Remove what processes left that were stopped while writing."""
        oldest = time.time() - STALE_SECONDS
        for path in self.directory.glob('*/.*.partial'):
            if _modified(path) < oldest:
                path.unlink(missing_ok=True)


def memory_order(values: np.ndarray) -> list[int]:
    """Axes from the slowest to the fastest in memory; transposed so, a dense array is contiguous."""
    return sorted(range(values.ndim), key=lambda axis: (-values.strides[axis], axis))


def _encode(values: np.ndarray) -> bytes:
    axes = memory_order(values)
    filling = [0] * (4 - values.ndim)
    ordered = values.transpose(axes)
    content = LAYOUT.pack(values.itemsize, values.ndim, *axes, *filling, *ordered.shape, *filling) + ordered.tobytes()
    return CHECKSUM.pack(MAGIC, zlib.crc32(content)) + content


def _decode(file: mmap.mmap) -> np.ndarray:
    magic, checksum = CHECKSUM.unpack_from(file)
    with memoryview(file) as view, view[CHECKSUM.size:] as content:
        if magic != MAGIC or zlib.crc32(content) != checksum:
            raise ValueError('its checksum does not match')
        itemsize, dimensions, *rest = LAYOUT.unpack_from(content)
        axes, shape = rest[:dimensions], rest[4:4 + dimensions]
        precision = np.float16 if itemsize == 2 else np.float32
        values = np.frombuffer(content, precision, offset=LAYOUT.size).reshape(shape).astype(np.float32)
    return values.transpose(np.argsort(axes)) if axes else values


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()

"""Files that appear whole or not at all, and paths that are checked before anything is computed for them."""
from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class OutputError(ValueError):
    """Results cannot be written where they shall go; the message names the option or the path and says what to do."""


@contextmanager
def whole_file(path: str | Path, suffix: str = '') -> Iterator[Path]:
    """A path to write to, whose file then takes the place of ``path``; folders are made.

    Args:
        path: The file.
        suffix: Suffix of the path to write to, where what writes or reads it asks for one.

    Raises:
        OutputError: The file system refuses, for want of space or permission, say.
    """
    path = Path(path)
    # The name of the file may be as long as the file system allows already.
    tail = hashlib.sha256(path.name.encode(errors='surrogateescape')).hexdigest()[:12]
    partial = path.with_name(f'.{tail}-{os.getpid()}.partial{suffix}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except OutputError as error:
        # What writes below may be whole by itself; the user knows the last name only.
        raise OutputError(str(error).replace(str(partial), str(path))) from error.__cause__
    except OSError as error:
        raise OutputError(f'{path} cannot be written ({error.strerror or error}). Choose another place, or make room '
                          'there.') from error
    finally:
        partial.unlink(missing_ok=True) if path.parent.is_dir() else None


def check_output_file(path: str | Path | None, option: str) -> None:
    """Check that a file can be written; nothing is created.

    Args:
        path: The file, ``None`` where the option was not given.
        option: What the user gave, such as ``'--out'``.

    Raises:
        OutputError: The path is a folder, lies below a file, or is not writable.
    """
    if path is None:
        return
    path = Path(path)
    if path.is_dir():
        raise OutputError(f'{option} {path} is a folder, expected a file to write. Name a file in it, such as '
                          f'{path / "results.json"}.')
    if path.exists() and not os.access(path, os.W_OK):
        raise OutputError(f'{option} {path} is there and cannot be written. Choose another file, or change its permissions.')
    _check_parent(path, option)


def check_output_folder(path: str | Path | None, option: str) -> None:
    """Check that files can be written into a folder, which need not exist; see :func:`check_output_file`.

    Raises:
        OutputError: The path is a file, lies below one, or is not writable.
    """
    if path is None:
        return
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise OutputError(f'{option} {path} is a file, expected a folder to write into. Choose another name, or '
                          'remove the file.')
    _check_parent(path / 'file', option)


def _check_parent(path: Path, option: str) -> None:
    parent = next(folder for folder in path.absolute().parents if folder.exists() or folder.is_symlink())
    if not parent.is_dir():
        raise OutputError(f'{option} {path}: {parent} is no folder, so nothing can be written below it. Choose another '
                          'place.')
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f'{option} {path}: nothing can be written to {parent}. Choose another place, or change its '
                          'permissions.')

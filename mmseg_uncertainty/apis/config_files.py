"""Config files, and the names of classes in them."""
from __future__ import annotations

import difflib
from pathlib import Path

from mmengine.config import Config


def load_config(path: str | Path) -> Config:
    """Read a config.

    Raises:
        FileNotFoundError: There is no such file; the message names one of a similar name.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        state = 'is a folder' if path.is_dir() else 'does not exist'
        raise FileNotFoundError(f'Config {path} {state}.{_hint(path)} Give the path of a config file, such as one of '
                                'local_configs/.')
    return Config.fromfile(str(path))


def type_name(kind: object) -> str:
    """Name of a class that a config gives by its name, with or without scope, or, in pure Python, as the class itself."""
    return (kind if isinstance(kind, str) else getattr(kind, '__name__', str(kind))).rpartition('.')[2]


def _hint(path: Path) -> str:
    files = {file.name: file for file in (*path.parent.glob('*.py'), *sorted(Path('local_configs').rglob('*.py')))}
    close = difflib.get_close_matches(path.name if path.suffix else f'{path.name}.py', files, n=1)
    return f' Did you mean {files[close[0]]}?' if close else ''

"""Config files, and the names of classes in them."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config, ConfigDict

from mmseg_uncertainty.runtime.command_line import message_of
from mmseg_uncertainty.runtime.near_names import did_you_mean
from mmseg_uncertainty.runtime.shipped_files import configs_folder
from mmseg_uncertainty.upstream import installed_path

from .config_errors import ConfigError, check_scope, unreadable


def load_config(path: str | Path) -> Config:
    """Read a config; see :func:`find_config`.

    Raises:
        ConfigError: It cannot be read; the message names the file at fault, which may be one of its bases.
        FileNotFoundError: There is no such file.
    """
    path = find_config(path)
    try:
        config = Config.fromfile(str(path))
    except Exception as error:
        raise unreadable(path, error) from error
    check_scope(config, path)
    return config


def change_config(config: Config, options: Mapping | None, source: str = '--cfg-options') -> None:
    """Change values of a config by their dotted keys.

    Raises:
        ConfigError: A key leads to nothing, or into a value that has no parts.
    """
    for key, value in (options or {}).items():
        try:
            config.merge_from_dict({key: value})
        except Exception as error:
            raise ConfigError(f'{source} {key}={value}: the config has no such place ({message_of(error)}). Name keys as the '
                              'config nests them, such as model.decode_head.num_classes.') from error


def model_of(config: Config | ConfigDict) -> ConfigDict:
    """The model of a config.

    Raises:
        ConfigError: There is none, or it is no model.
    """
    name, model = getattr(config, 'filename', None) or 'The config', config.get('model')
    expected = "expected model=dict(type='EncoderDecoder', …), as in the configs of local_configs/ and of mmseg"
    if not model:
        raise ConfigError(f'{name} has no model, {expected}.')
    if not isinstance(model, Mapping) or not model.get('type'):
        found = 'without type' if isinstance(model, Mapping) else f'that is a {type(model).__name__}'
        raise ConfigError(f'{name} has a model {found}, {expected}.')
    heads = model.get('uncertainty_heads')
    if heads is not None and not isinstance(heads, Mapping):
        raise ConfigError(f'{name} has a {type(heads).__name__} for uncertainty_heads of its model, expected a dict of heads by '
                          "name, such as dict(msp=dict(type='MSPHead')).")
    return model


def is_config(name: str | Path) -> bool:
    """Whether a name is that of a config file, and not of a model."""
    return '::' in str(name) or str(name).endswith('.py') or Path(name).expanduser().is_file()


def find_config(path: str | Path) -> Path:
    """Path of a config.

    Args:
        path: Path; or ``PACKAGE::FOLDER/CONFIG.py`` of an installed package, such as ``mmseg::pspnet/…`` of the zoo or
            ``mmseg_uncertainty::segformer/…``.

    Raises:
        FileNotFoundError: There is no such file; the message names one of a similar name.
    """
    if '::' in str(path):
        return _packaged(str(path))
    path = Path(path).expanduser()
    if not path.is_file():
        state = 'is a folder' if path.is_dir() else 'does not exist'
        raise FileNotFoundError(f'Config {path} {state}.{_hint(path)} Give the path of a config file, such as one of '
                                'local_configs/.')
    return path


def type_name(kind: object) -> str:
    """Name of a class that a config gives by its name, with or without scope, or, in pure Python, as the class itself."""
    return (kind if isinstance(kind, str) else getattr(kind, '__name__', str(kind))).rpartition('.')[2]


def _packaged(name: str) -> Path:
    package, _, inside = name.partition('::')
    inside = inside if inside.endswith('.py') else f'{inside}.py'
    if package not in ('mmseg', 'mmseg_uncertainty'):
        raise FileNotFoundError(f'Config {name}: configs of mmseg:: and mmseg_uncertainty:: can be named, not of {package}.')
    own = package == 'mmseg_uncertainty'
    folder = configs_folder() if own else Path(installed_path(package)) / '.mim/configs'
    if (folder / inside).is_file():
        return folder / inside
    names = [path.relative_to(folder).as_posix() for path in folder.rglob('*.py')]
    hint = did_you_mean(inside, names, shown=lambda known: f'{package}::{known}')
    raise FileNotFoundError(f'Config {name} does not exist.{hint} {package} keeps its configs in {folder}.')


def _hint(path: Path) -> str:
    files = {file.name: file for file in (*path.parent.glob('*.py'), *sorted(Path('local_configs').rglob('*.py')))}
    return did_you_mean(path.name if path.suffix else f'{path.name}.py', files, shown=files.get)

"""Says what is wrong with a config: where reading it failed, or which of its parts cannot be built."""
from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from mmengine.registry import MODELS, Registry
from mmengine.runner import Runner

from mmseg_uncertainty.runtime.command_line import NAMED_ERRORS, message_of
from mmseg_uncertainty.runtime.near_names import did_you_mean

PACKAGE = Path(__file__).resolve().parents[1]
ADVICE = 'Correct it in the config, or add --debug for the traceback.'


class ConfigError(ValueError):
    """A config cannot be read, or a part of it cannot be built; the message names it and says what to do."""


def unreadable(path: Path, error: Exception) -> ConfigError:
    """What to raise where mmengine cannot read a config; names the file at fault, which may be one of its bases."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    files = [frame.f_locals['filename'] for frame in frames if frame.f_code.co_name == '_file2dict']
    file = Path(files[-1]) if files and Path(files[-1]) != path.resolve() else path
    if isinstance(error, RecursionError):
        return ConfigError(f'{path} cannot be read: its _base_ leads back to itself. Name other files there.')
    line = getattr(error, 'lineno', None) or next(
        (number for frame, number in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename in (str(file), str(
            file.resolve()))), None)
    # mmengine puts its search path into the message.
    cause = error.__cause__ if isinstance(error, ImportError) and error.__cause__ else error
    text = cause.msg if isinstance(cause, SyntaxError) and cause.msg else message_of(cause)
    place = ' in its _base_' if {'_get_base_files', '_get_cfg_path'} & {frame.f_code.co_name for frame in frames} else ''
    where = f'{file}{f", line {line}," if line else ""}'
    return ConfigError(f'{where} cannot be read as a config ({type(cause).__name__}{place}: {text}). Correct the file; '
                       'local_configs/ has many that can be read.')


def check_scope(config: Mapping, path: Path) -> None:
    """Check that the package is there whose names a config means; mmengine would fall back to its own.

    Raises:
        ConfigError: It is not.
    """
    scope = config.get('default_scope')
    known = ['mmengine', *MODELS.children]
    if scope is not None and (not isinstance(scope, str) or scope not in known and not find_spec(scope.partition('.')[0] or ' ')):
        raise ConfigError(f'{path}: default_scope is {scope!r}, and there is no such package.{did_you_mean(str(scope), known)} '
                          "Set default_scope='mmseg', or install the package.")


def explained(error: Exception) -> Exception:
    """The error itself where it explains itself, or one that tells which part of a config could not be built."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    built = [frame for frame in frames if frame.f_code.co_name == 'build_from_cfg']
    if not built or isinstance(error, NAMED_ERRORS) and _is_ours(error, frames[-1]):
        return error
    config, registry = built[-1].f_locals['cfg'], built[-1].f_locals['registry']
    outer = [_kind(frame.f_locals['cfg']) for frame in built[:-1]]
    kind = _kind(config)
    whole = next((frame.f_locals['self'].cfg for frame in frames if isinstance(frame.f_locals.get('self'), Runner)), {})
    path = next(_paths(whole, config), None) if kind else None
    place = f', a part of {outer[-1]},' if outer and outer[-1] else f', {path} of the config,' if path else ''
    if kind is None:
        shown = f'the keys {", ".join(map(str, config))}' if isinstance(config, Mapping) else repr(config)[:100]
        return ConfigError(f'A {registry.name}{place} has no type: its config has {shown}, expected dict(type=…). {ADVICE}')
    if frames[-1] is built[-1] and isinstance(error, KeyError):
        return ConfigError(f'{kind}{place} is no {registry.name} that is known in the scope {registry.scope!r}.'
                           f'{did_you_mean(kind, _names(registry))} {ADVICE}')
    options = ', '.join(str(key) for key in config if key != 'type') or 'none'
    return ConfigError(f'{kind}{place} cannot be built ({type(error).__name__}: {message_of(error)}). Its options: '
                       f'{options}. {ADVICE}')


def _paths(whole: Mapping, part: Mapping, above: str = '') -> Iterator[str]:
    """Dotted keys under which a config holds a part, to which defaults may have been added."""
    for key, value in whole.items():
        if isinstance(value, Mapping):
            path = f'{above}{key}'
            if _kind(value) == _kind(part) and all(name in part and part[name] == value[name] for name in value):
                yield path
            yield from _paths(value, part, f'{path}.')


def _is_ours(error: Exception, frame: FrameType) -> bool:
    """Whether this package raised an error, and so has said in it what to do."""
    return type(error).__module__.startswith('mmseg_uncertainty') or PACKAGE in Path(frame.f_code.co_filename).parents


def _kind(config: object) -> str | None:
    kind = config.get('type') if isinstance(config, Mapping) else None
    return kind if kind is None or isinstance(kind, str) else getattr(kind, '__name__', str(kind))


def _names(registry: Registry) -> list[str]:
    return [*registry.module_dict, *(registry.parent.module_dict if registry.parent else ())]

"""Lets the Python part of ``mmcv.ops`` be imported where the compiled part is not installed."""
from __future__ import annotations

import importlib.machinery
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

NAME = 'mmcv._ext'
OPERATORS = 'mmcv.ops'
_held: dict[str, ModuleType] = {}


class MissingOperators(ModuleType):
    """Stands for mmcv's compiled operators: they can be imported, and say what is missing when they are called.

    mmcv imports all compiled operators at once, also for what needs none: point sampling, criss-cross attention and
    deformable attention have versions in Python, on which PointRend, CCNet, MaskFormer and Mask2Former run.
    """

    def __init__(self) -> None:
        super().__init__(NAME, doc=type(self).__doc__)
        self.__spec__ = importlib.machinery.ModuleSpec(NAME, loader=None)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith('__'):
            raise AttributeError(name)
        if name.startswith('get_'):
            return lambda: 'not compiled'

        def missing(*_: Any, **__: Any) -> NoReturn:
            raise NotImplementedError(f'mmcv.ops: the compiled operator {name!r} is not installed, and it has no version '
                                      'in Python. Build mmcv with its operators (MMCV_WITH_OPS=1), or choose a model '
                                      'without it; docs/models.md says which need it.')

        return missing


@contextmanager
def python_operators() -> Iterator[None]:
    """Within the block ``mmcv.ops`` can be imported without its compiled part; with it nothing changes.

    What is imported in the block keeps the operators it took. Afterwards neither ``mmcv.ops`` nor the stand-in for
    ``mmcv._ext`` is among the modules of the process, so that others who ask find what is installed, and who imports
    ``mmcv.ops`` gets the error of an installation without it. Only mmengine's registry still knows operators by name, and
    those without a version in Python say so when they are called.
    """
    if NAME in sys.modules or not are_missing():
        yield
        return
    logging.getLogger(__name__).info('mmcv has no compiled operators; models are imported with those written in Python')
    sys.modules.update({NAME: MissingOperators()} | _held)
    _name_in_package()
    try:
        yield
    finally:
        _take_back()


def are_missing() -> bool:
    """Whether mmcv is installed with the Python part of its operators, and without the compiled one."""
    spec = find_spec('mmcv')
    if spec is None or spec.origin is None:
        return False
    folder = Path(spec.origin).parent
    return (folder / 'ops').is_dir() and not any(folder.glob('_ext*'))


def _take_back() -> None:
    """Keep the modules of the operators for the next block: their classes are registered, and must not be made twice."""
    del sys.modules[NAME]
    for name in [name for name in sys.modules if name == OPERATORS or name.startswith(f'{OPERATORS}.')]:
        _held[name] = sys.modules.pop(name)
    _name_in_package()


def _name_in_package() -> None:
    """Let the attribute ``mmcv.ops`` be there exactly where the module is."""
    package, operators = (sys.modules.get(name) for name in ('mmcv', OPERATORS))
    if package is not None:
        vars(package).pop('ops', None)
        if operators is not None:
            package.ops = operators

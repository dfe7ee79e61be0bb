"""Lets the Python part of ``mmcv.ops`` be imported where the compiled part is not installed."""
from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

NAME = 'mmcv._ext'


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


def offer_python_operators() -> None:
    """Put :class:`MissingOperators` in the place of compiled operators that are not there; otherwise change nothing."""
    spec = find_spec('mmcv')
    if NAME in sys.modules or spec is None or spec.origin is None:
        return
    folder = Path(spec.origin).parent
    if (folder / 'ops').is_dir() and not any(folder.glob('_ext*')):
        sys.modules[NAME] = MissingOperators()

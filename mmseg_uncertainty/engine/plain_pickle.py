"""Loads files of torch.save that hold tensors and plain values, and runs nothing of what is in them."""
from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch._weights_only_unpickler import _get_allowed_globals
from torch.torch_version import TorchVersion

# Before NumPy 2 its core had another name; files keep the name of the NumPy that wrote them.
NUMPY_CORES = ('numpy._core.multiarray', 'numpy.core.multiarray')
NUMPY_TYPES = np.typecodes['AllInteger'] + np.typecodes['AllFloat'] + '?'
# Earlier ones cannot be told further names under which a function is known to files.
NAMES_ARE_GIVEN = TorchVersion(torch.__version__) >= (2, 6)


def load_plain(path: str | Path, map_location: str | torch.device | None = None) -> object:
    """Load a file of torch.save.

    Args:
        path: The file.
        map_location: See :func:`torch.load`.

    Raises:
        pickle.UnpicklingError: The file names anything but tensors, plain values, NumPy arrays and mmengine's log buffers.
    """
    if NAMES_ARE_GIVEN:
        with torch.serialization.safe_globals([(value, name) for name, value in plain_globals().items()]):
            return torch.load(path, map_location=map_location, weights_only=True)
    return torch.load(path, map_location=map_location, pickle_module=PlainPickle, weights_only=False)


@lru_cache
def plain_globals() -> dict[str, Callable]:
    """What mmengine writes into checkpoints besides tensors, by name, with ``getattr`` held to methods of log buffers."""
    classes = [np.ndarray, np.dtype, slice, HistoryBuffer, *(type(np.dtype(code)) for code in NUMPY_TYPES)]
    found = {f'{kind.__module__}.{kind.__qualname__}': kind for kind in classes}
    for core in NUMPY_CORES:
        found[f'{core}._reconstruct'] = np.empty(0).__reduce__()[0]
        found[f'{core}.scalar'] = np.float64(0).__reduce__()[0]
    return found | {'builtins.getattr': _history_method}


class PlainUnpickler(pickle.Unpickler):
    """Finds nothing but what torch itself takes for harmless, and :func:`plain_globals`."""

    def find_class(self, module: str, name: str) -> Callable:
        """The object of this name.

        Raises:
            pickle.UnpicklingError: It is none of those.
        """
        full_name = f'{"builtins" if module == "__builtin__" else module}.{name}'
        if full_name == '_codecs.encode':
            return _latin1
        for known in (plain_globals(), _get_allowed_globals()):
            if full_name in known:
                return known[full_name]
        raise UnpicklingError(f'Unsupported global: {full_name}')


class PlainPickle:
    """What :func:`torch.load` expects of a ``pickle_module``."""

    Unpickler = PlainUnpickler
    UnpicklingError = UnpicklingError

    @staticmethod
    def load(file, **options) -> object:
        """Read one pickled object from a file."""
        return PlainUnpickler(file, **options).load()


def _latin1(text: str, encoding: str = 'latin1') -> bytes:
    """How pickles of protocol 2 write bytes."""
    if encoding != 'latin1':
        raise UnpicklingError(f'the encoding {encoding!r} is not that of bytes')
    return text.encode('latin1')


def _history_method(owner: type, name: str) -> object:
    if owner is not HistoryBuffer or name.startswith('_'):
        raise UnpicklingError(f'getattr({owner!r}, {name!r}) is not a method of a log buffer')
    return getattr(owner, name)

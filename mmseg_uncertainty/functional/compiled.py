"""What compilers do, in the releases and places that differ."""
from __future__ import annotations

from collections.abc import Callable

import torch
from numba import njit

# Whether torch.compile or torch.export looks at the code; torch 2.1 asks elsewhere than later ones.
is_compiling = getattr(torch.compiler, 'is_compiling', None) or torch._utils.is_compiling


def compiled(**options) -> Callable[[Callable], Callable]:
    """Compile a function with numba, kept in numba's cache where there is a folder for it.

    A package that nobody may write to, used without a home, has none; functions are then compiled in every process, unless
    ``NUMBA_CACHE_DIR`` names one.

    Args:
        options: See :func:`numba.njit`.
    """

    def decorate(function: Callable) -> Callable:
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:
            return njit(**options)(function)

    return decorate


def autocast_precision(device: str) -> torch.dtype | None:
    """Precision of mixed precision on a kind of device, ``None`` where it is off; torch before 2.4 names it otherwise."""
    if hasattr(torch, 'get_autocast_dtype'):
        return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    if device == 'cpu':
        return torch.get_autocast_cpu_dtype() if torch.is_autocast_cpu_enabled() else None
    return torch.get_autocast_gpu_dtype() if torch.is_autocast_enabled() else None

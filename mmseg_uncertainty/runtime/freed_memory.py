"""What the C library does with memory that was freed."""
from __future__ import annotations

import ctypes
import os
import platform

GLIBC = platform.libc_ver()[0] == 'glibc'
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1
CHOSEN_BY_USER = ('MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_', 'GLIBC_TUNABLES', 'LD_PRELOAD')


def keep_freed_memory() -> None:
    """Let a process keep up to two gigabytes of freed memory for its next maps.

    glibc takes every map beyond 32 MB from the system and gives it back at once. The system clears its pages anew each time,
    which takes as long as most of a forward pass on a CPU (docs/performance.md). Whoever has chosen another way by the
    environment keeps it.
    """
    if GLIBC and not any(name in os.environ for name in CHOSEN_BY_USER):
        library = ctypes.CDLL(None)
        library.mallopt(MMAP_THRESHOLD, 1 << 30)
        library.mallopt(TRIM_THRESHOLD, (1 << 31) - 1)


class FreedMemory:
    """Gives freed memory back now and then while images pass.

    Small records of images lie between large temporary arrays, and glibc keeps the holes: 9 to 13 MB for each frame of two
    megapixels, for as long as the images come.

    Args:
        pixels: How many pixels lie between two returns, which cost about ten milliseconds.
    """

    def __init__(self, pixels: int = 1 << 22) -> None:
        self._pixels, self._passed = pixels, 0

    def after(self, pixels: int) -> None:
        """Tell that so many pixels have been measured."""
        self._passed += pixels
        if self._passed >= self._pixels:
            self._passed = 0
            return_freed_memory()


def return_freed_memory() -> None:
    """Give what was freed back to the system, where the C library can."""
    if GLIBC:
        ctypes.CDLL(None).malloc_trim(0)

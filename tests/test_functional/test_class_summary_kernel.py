"""How the kernel visits the pixels; what it computes is tested with the scores."""
import numpy as np

from mmseg_uncertainty.functional import class_summary_kernel as kernel


def test_pixels_are_visited_once_in_blocks_that_fit_the_cache(monkeypatch):
    visited = []
    monkeypatch.setattr(kernel, '_rank', lambda maximum, *_: visited.append(maximum.size))
    monkeypatch.setattr(kernel, '_add', lambda *_: None)
    size = 2 * kernel.BLOCK_PIXELS + 5
    logits = np.zeros((2, size), np.float32)
    maps = [np.zeros(size, np.float32) for _ in range(4)] + [np.zeros(size, np.int32)]
    kernel._summarize.py_func(logits, *maps, 0, size)
    assert visited == [kernel.BLOCK_PIXELS, kernel.BLOCK_PIXELS, 5]

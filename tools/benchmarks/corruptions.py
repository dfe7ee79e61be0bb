"""Throughput of the 19 corruptions, and glass blur beside the loop of the original library."""
from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from imagecorruptions import corruptions as library
from side_by_side import row, run_benchmark, seconds_in_turns

from mmseg_uncertainty.datasets import CORRUPTIONS
from mmseg_uncertainty.datasets.transforms.corruptions import corrupt

SEVERITY = 3


def image(height: int, width: int) -> np.ndarray:
    """Smooth colours with noise, shape (H, W, 3), uint8."""
    random = np.random.default_rng(0)
    smooth = np.add.outer(np.sin(np.arange(height) / 40), np.cos(np.arange(width) / 60))[..., None] * [50, 40, 30]
    return np.clip(127 + smooth + random.normal(0, 8, (height, width, 3)), 0, 255).astype(np.uint8)


def original_glass_blur(pixels: np.ndarray, seed: int) -> np.ndarray:
    """Glass blur with the pixel loop in plain Python, as the original library has it."""
    compiled = library._shuffle_pixels_njit_glass_blur
    library._shuffle_pixels_njit_glass_blur = compiled.py_func
    try:
        return corrupt(pixels, 'glass_blur', SEVERITY, seed)
    finally:
        library._shuffle_pixels_njit_glass_blur = compiled


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Rows of the table."""
    height, width = (128, 256) if args.quick else (512, 1024)
    pixels = image(height, width)
    for name in CORRUPTIONS:
        seconds = seconds_in_turns({name: lambda: corrupt(pixels, name, SEVERITY, 0)}, 1 if args.quick else 3)[name]
        yield row(name, height * width / seconds / 1e6, None, 'Mpx/s', f'{height}x{width}, severity {SEVERITY}, one worker')
    height, width = (64, 128) if args.quick else (256, 512)
    pixels = image(height, width)
    functions = dict(ours=lambda: corrupt(pixels, 'glass_blur', SEVERITY, 0), peer=lambda: original_glass_blur(pixels, 0))
    seconds = seconds_in_turns(functions, 1 if args.quick else 3)
    difference = np.abs(functions['ours']().astype(int) - functions['peer']())
    yield row('glass blur, the loop of the original library', seconds['ours'], seconds['peer'], 's',
              f'{height}x{width}, severity {SEVERITY}; same seed, largest difference {difference.max()} grey levels')


if __name__ == '__main__':
    run_benchmark(__doc__, rows)

"""Parts of a dataset for calibration and test."""
from __future__ import annotations

import numpy as np

from mmseg_uncertainty.functional.conformal_splits import block_split, frame_blocks, random_split

from .dataset_error import DatasetError

PARTS = ('calibration', 'test')
UNITS = ('sequence', 'block', 'image')


def split_samples(samples: list[dict],
                  part: str,
                  by: str = 'block',
                  share: float = 0.5,
                  block_length: int = 30,
                  seed: int = 0) -> list[dict]:
    """Keep one of two parts of a dataset that never share a unit.

    Frames of one sequence are near copies of each other, so single images are not exchangeable where sequences are known.

    Args:
        samples: Samples in the order of their frames, with ``sequence`` unless split by image.
        part: ``'calibration'`` or ``'test'``.
        by: What stays together: ``'sequence'``, a ``'block'`` of neighbouring frames, or nothing but the ``'image'``.
        share: Share of the images that calibrate, in (0, 1); whole units are taken, to within half a unit.
        block_length: Frames per block.
        seed: Seed of the shuffle.

    Returns:
        The samples of that part, in their order.

    Raises:
        ValueError: An option is out of range.
        DatasetError: The samples do not name their sequence, or a part is empty.
    """
    if part not in PARTS or by not in UNITS or not 0 < share < 1:
        raise ValueError(f'split: part={part!r} must be one of {PARTS}, by={by!r} one of {UNITS}, and share={share} lie '
                         'strictly between 0 and 1.')
    wanted = round(share * len(samples))
    if by == 'image':
        parts = random_split(len(samples), wanted, seed)
    else:
        units = _units(samples, by, block_length)
        parts = block_split(units, wanted, seed)
        samples = [dict(sample, scene=_scene(sample, by, unit)) for sample, unit in zip(samples, units)]
    chosen = dict(zip(PARTS, parts))[part]
    if not len(chosen):
        raise DatasetError(f'split: no image is left for the {part} part of {len(samples)} images split by {by}; change share '
                           'or block_length, or split by smaller units.')
    return [samples[index] for index in np.sort(chosen)]


def _scene(sample: dict, by: str, unit: int) -> str:
    """Name of what stays together; blocks of one sequence get names of their own."""
    return sample['sequence'] if by == 'sequence' else f'{sample["sequence"]}#{unit}'


def _units(samples: list[dict], by: str, block_length: int) -> np.ndarray:
    if any('sequence' not in sample for sample in samples):
        raise DatasetError(f'split: this dataset does not know sequences, which split by={by!r} needs; split by=\'image\'.')
    length = len(samples) if by == 'sequence' else block_length
    return frame_blocks([sample['sequence'] for sample in samples], max(length, 1))

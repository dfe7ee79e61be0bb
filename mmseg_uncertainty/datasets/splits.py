"""Parts of a dataset for calibration and test."""
from __future__ import annotations

import numpy as np

from mmseg_uncertainty.functional.conformal_splits import block_split, check_distinct, frame_blocks, random_split

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
        samples: Samples in the order of their frames, with ``sequence`` or ``scene`` unless split by image.
        part: ``'calibration'`` or ``'test'``.
        by: What stays together: ``'sequence'``, a ``'block'`` of neighbouring frames, or nothing but the ``'image'``.
        share: Share of the images that calibrate, in (0, 1); whole units are taken, to within half a unit.
        block_length: Frames per block.
        seed: Seed of the shuffle.

    Returns:
        The samples of that part, in their order.

    Raises:
        ValueError: An option is out of range.
        DatasetError: The samples do not name their sequence, an image comes twice, or a part is empty.
    """
    if part not in PARTS or by not in UNITS or not 0 < share < 1:
        raise ValueError(f'split: part={part!r} must be one of {PARTS}, by={by!r} one of {UNITS}, and share={share} lie '
                         'strictly between 0 and 1.')
    try:
        check_distinct((str(sample['img_path']) for sample in samples), 'split')
    except ValueError as error:
        raise DatasetError(str(error)) from None
    wanted = round(share * len(samples))
    if by == 'image':
        units, parts = range(len(samples)), random_split(len(samples), wanted, seed)
    else:
        units = _units(samples, by, block_length)
        parts = block_split(units, wanted, seed)
    samples = [_named(sample, by, unit) for sample, unit in zip(samples, units)]
    chosen = dict(zip(PARTS, parts))[part]
    if not len(chosen):
        raise DatasetError(f'split: no image is left for the {part} part of {len(samples)} images split by {by}; change share '
                           'or block_length, or split by smaller units.')
    return [samples[index] for index in np.sort(chosen)]


def name_scene(packed: dict | None, sample: dict) -> dict | None:
    """Tell a packed sample where it was taken, since evaluators resample scenes.

    Args:
        packed: What a pipeline made of the sample.
        sample: With ``scene``, ``sequence`` or neither.

    Returns:
        ``packed``, changed in place.
    """
    place = {name: sample[name] for name in ('scene', 'sequence') if name in sample}
    if place and packed and hasattr(packed.get('data_samples'), 'set_metainfo'):
        packed['data_samples'].set_metainfo(place)
    return packed


def _place(sample: dict) -> str | None:
    return sample.get('sequence', sample.get('scene'))


def _named(sample: dict, by: str, unit: int) -> dict:
    """The sample with a name of what stays together; parts of one sequence get names of their own."""
    place = _place(sample)
    return sample if place is None else dict(sample, scene=place if by == 'sequence' else f'{place}#{unit}')


def _units(samples: list[dict], by: str, block_length: int) -> np.ndarray:
    if any(_place(sample) is None for sample in samples):
        raise DatasetError(f'split: this dataset does not know sequences, which split by={by!r} needs; split by=\'image\'.')
    length = len(samples) if by == 'sequence' else block_length
    return frame_blocks([_place(sample) for sample in samples], max(length, 1))

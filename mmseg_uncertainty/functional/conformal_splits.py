"""Splits of images into calibration and test, at random or by blocks of frames that belong together."""
from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import islice

import numpy as np


def check_distinct(names: Iterable[str], owner: str) -> None:
    """Refuse images that come more than once: each would count as several, and a promise needs independent images.

    Args:
        names: Name of every image, its path for instance.
        owner: Who needs them, for the message.

    Raises:
        ValueError: A name comes again.

    Examples:
        >>> check_distinct(['a.png', 'b.png', 'a.png'], owner='CRC')  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: CRC: calibration images come more than once: a.png (2 times). Each would count as several. ...
    """
    repeated = {name: count for name, count in Counter(names).items() if count > 1}
    if repeated:
        shown = ', '.join(f'{name} ({count} times)' for name, count in islice(repeated.items(), 3))
        more = f' and {len(repeated) - 3} more' if len(repeated) > 3 else ''
        raise ValueError(f'{owner}: calibration images come more than once: {shown}{more}. Each would count as several. '
                         'Leave out RepeatDataset and duplicates in lists of files or in the members of a ConcatDataset, '
                         'and give different images different img_path.')


def part_of(position: float, shares: Sequence[float]) -> int:
    """Part that a position on [0, 1) belongs to when parts of some sizes stand one after the other.

    Args:
        position: See :func:`block_positions`.
        shares: Size of each part, positive, in any unit.

    Returns:
        Index of the part.

    Examples:
        >>> part_of(0.3, shares=[1, 3]), part_of(0.2, shares=[1, 3])  # a quarter, then the rest
        (1, 0)
    """
    bounds = np.cumsum(shares) / np.sum(shares)
    return int(np.searchsorted(bounds[:-1], position, side='right'))


def random_split(num_images: int, num_calibration: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split images at random, which is exchangeable only where the images do not depend on each other.

    The order is that of Python's own generator, as in the published experiments.

    Args:
        num_images: Number of images.
        num_calibration: How many of them calibrate, in 0..num_images.
        seed: Seed of the shuffle.

    Returns:
        Indices of the calibration images as shuffled, and of the test images in ascending order.

    Examples:
        >>> calibration, test = random_split(5, num_calibration=2, seed=0)
        >>> len(calibration), len(test), sorted([*calibration.tolist(), *test.tolist()])
        (2, 3, [0, 1, 2, 3, 4])
    """
    indices = list(range(num_images))
    random.Random(seed).shuffle(indices)
    return np.array(indices[:num_calibration], dtype=int), np.sort(np.array(indices[num_calibration:], dtype=int))


def frame_blocks(sequences: Sequence[Hashable], length: int) -> np.ndarray:
    """Cut each sequence into runs of neighbouring frames.

    Args:
        sequences: Sequence of every image, in the order of the frames.
        length: Frames per block, at least 1; the last block of a sequence may be shorter.

    Returns:
        Index of the block of every image, shape (n,), int64, numbered by first appearance.

    Raises:
        ValueError: ``length`` is below 1.

    Examples:
        >>> frame_blocks(['one', 'one', 'one', 'two'], length=2).tolist()
        [0, 0, 1, 2]
    """
    if length < 1:
        raise ValueError(f'frame_blocks: length={length} must be at least 1.')
    seen: dict[Hashable, int] = {}
    numbers: dict[tuple[Hashable, int], int] = {}
    blocks = []
    for sequence in sequences:
        position = seen.get(sequence, 0)
        seen[sequence] = position + 1
        blocks.append(numbers.setdefault((sequence, position // length), len(numbers)))
    return np.array(blocks, dtype=np.int64)


def block_split(blocks: np.ndarray, num_calibration: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split images by whole blocks, so that near copies never stand on both sides.

    Args:
        blocks: Block of every image, shape (n,), int64.
        num_calibration: Calibration takes shuffled blocks as long as at least half of the next is still wanted.
        seed: Seed of the shuffle.

    Returns:
        Indices of the calibration images and of the test images, both ascending.

    Examples:
        >>> blocks = np.array([0, 0, 1, 1])
        >>> calibration, test = block_split(blocks, num_calibration=2, seed=0)
        >>> len(set(blocks[calibration])), len(set(blocks[test]))  # a whole block each
        (1, 1)
    """
    order = np.unique(blocks).tolist()
    random.Random(seed).shuffle(order)
    taken, held = [], 0
    for block in order:
        size = np.count_nonzero(blocks == block)
        if held + size / 2 > num_calibration:
            break
        taken.append(block)
        held += size
    chosen = np.isin(blocks, taken)
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)


def block_positions(blocks: np.ndarray, seed: int) -> np.ndarray:
    """Place shuffled blocks one after the other on [0, 1), so that any cuts divide the images and keep blocks whole.

    Args:
        blocks: Block of every image, shape (n,), int64.
        seed: Seed of the shuffle.

    Returns:
        Middle of the block of every image, shape (n,), float64; a cut at a share takes that share to within half a
        block.

    Examples:
        >>> np.unique(block_positions(np.array([0, 0, 1, 1]), seed=0)).tolist()
        [0.25, 0.75]
    """
    order = np.unique(blocks)
    np.random.default_rng(seed).shuffle(order)
    sizes = np.array([np.count_nonzero(blocks == block) for block in order])
    middles = dict(zip(order.tolist(), (np.cumsum(sizes) - sizes / 2) / len(blocks)))
    return np.array([middles[block] for block in blocks.tolist()])

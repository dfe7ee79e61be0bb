r"""What an image leaves behind of the ranking of its pixels: few scores, and how many pixels score at least as high.

Pixels of one group are sorted from the highest score. A block holds all scores whose rank from the top (pixels that score at
least as high) has the same 7 leading bits, and whose rank from the bottom (pixels that score lower, and one) has, too; it is
kept as its highest score and its pixels. The number of pixels above any score then is known to within 1/64 of the smaller of
both ranks, exactly up to 127 from either end, and exactly where a block holds one score. 64 blocks for each doubling from
both ends make some 2000 for a million pixels, whatever the scores.
"""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .compiled import compiled
from .score_cells import KEY_BITS, score_key
from .score_histogram import score_keys_of_tensor

STEP_BITS = 6
MANTISSA_BITS, EXPONENT_OF_ONE = 52, 1023


@compiled(nogil=True)
def _blocks(ordered: np.ndarray, tops: np.ndarray, counts: np.ndarray) -> int:
    """Fill ``tops`` and ``counts`` from ascending keys; returns how many blocks there are."""
    blocks, position, rank_shift, rest_shift = 0, ordered.size, 0, 64 - STEP_BITS
    above = below = place = rest = -1
    while position > 0:
        key, start = ordered[position - 1], position
        while position > 0 and ordered[position - 1] == key:
            position -= 1
        rank = ordered.size - position
        while rank >> rank_shift >= 2 << STEP_BITS:
            rank_shift += 1
        while rest_shift > 0 and (position + 1) >> rest_shift < 1 << STEP_BITS:
            rest_shift -= 1
        place, rest = (rank_shift << 32) + (rank >> rank_shift), (rest_shift << 32) + ((position + 1) >> rest_shift)
        if place != above or rest != below:
            above, below = place, rest
            tops[blocks], counts[blocks] = key, position - start
            blocks += 1
        else:
            counts[blocks - 1] = abs(counts[blocks - 1]) + start - position
    return blocks


@compiled(nogil=True)
def _keys_of(patterns: np.ndarray, members: np.ndarray, keys: np.ndarray) -> int:
    found = 0
    for pixel in range(patterns.size):
        if members[pixel]:
            keys[found] = score_key(patterns[pixel])
            found += 1
    return found


def rank_blocks(scores: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of the scores of one group of pixels of an image.

    Args:
        scores: Shape (n,), float32, finite where they count.
        members: Which pixels belong to the group, shape (n,), bool.

    Returns:
        Key of 32 bits of the highest score of each block, descending, shape (b,), uint32, and its pixels, int32, negative
        where all of them have that one score.
    """
    ordered = np.empty(scores.size, np.uint32)
    ordered = ordered[:_keys_of(scores.view(np.int32), members, ordered)]
    ordered.sort()
    tops, counts = np.empty(_blocks_of(ordered.size), np.uint32), np.empty(_blocks_of(ordered.size), np.int32)
    blocks = _blocks(ordered, tops, counts)
    return tops[:blocks].copy(), counts[:blocks].copy()


def rank_blocks_of_tensor(scores: Tensor, members: Tensor) -> Tensor:
    """What :func:`rank_blocks` finds, with empty blocks between, wherever the scores lie; nothing is read back.

    Args:
        scores: Shape (n,).
        members: Which pixels belong to the group, shape (n,), bool.

    Returns:
        Keys and counts, shape (2, b), int64; the count of an empty block is 0.
    """
    size = _blocks_of(scores.numel()) + 1
    keys, order = score_keys_of_tensor(scores, KEY_BITS).masked_fill(~members, -1).sort(descending=True)
    members = members[order].long()
    ends = torch.ones_like(keys, dtype=torch.bool)
    ends[:-1] = keys[1:] != keys[:-1]
    last = torch.arange(keys.numel(), device=keys.device).where(ends, keys.numel()).flip(0).cummin(0).values.flip(0)
    ranks = members.cumsum(0)[last.clamp(max=keys.numel() - 1)]
    above, below = _place(ranks.clamp(min=1)), _place(ranks[-1:] - ranks + 1)
    # From the highest score on `above` never falls and `below` never rises, so that their difference tells blocks apart.
    places = (above - below + size // 2).where(members > 0, size - 1)
    tops = keys.new_full((size, ), -1).scatter_reduce_(0, places, keys, 'amax')
    floors = keys.new_full((size, ), 1 << KEY_BITS).scatter_reduce_(0, places, keys, 'amin')
    counts = torch.zeros_like(tops).scatter_add_(0, places, members)
    return torch.stack([tops, counts.where(tops != floors, -counts)])[:, :-1]


def compact_blocks(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The blocks of :func:`rank_blocks` from the array of :func:`rank_blocks_of_tensor`."""
    tops, counts = blocks[:, blocks[1] != 0]
    return tops.astype(np.uint32), counts.astype(np.int32)


def _blocks_of(pixels: int) -> int:
    """Numbers that the blocks of so many pixels can have."""
    return 2 * (max(pixels.bit_length(), 1) << STEP_BITS) + 2


def _place(ranks: Tensor) -> Tensor:
    """Number of the block of a rank of at least 1, ascending: exponent and leading bits of the number."""
    patterns = ranks.double().view(torch.int64) >> (MANTISSA_BITS - STEP_BITS)
    return patterns - (EXPONENT_OF_ONE << STEP_BITS)


def counts_above(tops: np.ndarray, counts: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Between which numbers the pixels with a score of at least each edge lie.

    Args:
        tops: As from :func:`rank_blocks`.
        counts: As from :func:`rank_blocks`.
        edges: Keys of 32 bits, descending, shape (E,), the last 0.

    Returns:
        Fewest and most, shapes (E,), int64, ascending; equal at the last edge.
    """
    ends = np.r_[0, np.cumsum(np.abs(counts), dtype=np.int64)]
    ranks, total = ends[1:], ends[-1] + 1
    first = np.maximum(_steps_with(ranks)[0], total - _steps_with(total - ranks)[1])
    certain = np.r_[0, np.where(counts < 0, ranks, np.maximum(ends[:-1] + 1, first))]
    reached = np.searchsorted(-tops.astype(np.int64), -edges.astype(np.int64), side='right')
    fewest, most = certain[reached], ends[reached]
    fewest[-1:] = most[-1:]
    return fewest, most


def _steps_with(ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest rank with the same leading bits."""
    others = np.maximum(np.frexp(ranks)[1] - STEP_BITS - 1, 0)
    lowest = ranks >> others << others
    return lowest, lowest + (1 << others) - 1

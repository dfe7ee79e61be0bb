"""Which float32 scores share a cell of a histogram: the finest division of those that occur that a number of cells allows.

The 2^32 ordered bit patterns of float32 form pages of equal leading bits, by default 13: sign, exponent and 4 bits of the
mantissa. Only pages that occur have cells, all of them equally many, so that scores of a narrow range get one cell each and
scores of any range at least one cell per page or group of pages. The division depends on nothing but which pages occur.
Histograms of parts can therefore be brought to the cells of the whole, by sums, and nothing depends on the order of the parts.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from . import device_counts
from .compiled import compiled

KEY_BITS, PAGE_BITS = 32, 13
FEWEST_BITS = 10
FIRST_FINITE, LAST_FINITE = 0x00800000, 0xFF7FFFFF
LOWEST_PATTERN = np.int32(-2**31)


@dataclass(frozen=True)
class ScoreCells:
    """Cell of every score, as tensors on one device whose values need not be known to the host.

    Args:
        key_bits: Leading bits of a key that tell cells apart, 10 to 32, shape (), int64; with 32 a cell is one score.
        bases: First cell of every page that occurs, shape (P,), int64.
        prefixes: Leading bits, at most those of a page, shared by the cells of each block, in order; shape (P,), int64.
        blocks: How many of ``prefixes`` occur, shape (), int64.
    """

    key_bits: Tensor
    bases: Tensor
    prefixes: Tensor
    blocks: Tensor

    @property
    def page_bits(self) -> int:
        """Binary logarithm of the number of pages P."""
        return len(self.bases).bit_length() - 1

    @property
    def prefix_bits(self) -> Tensor:
        """Bits of :attr:`prefixes`, shape (), int64."""
        return self.key_bits.clamp(max=self.page_bits)

    @property
    def block_bits(self) -> Tensor:
        """Binary logarithm of the cells of a block, shape (), int64."""
        return self.key_bits - self.prefix_bits

    def cells_of(self, keys: Tensor) -> Tensor:
        """Cell of every key whose page occurs, same shape, int64."""
        low_bits = KEY_BITS - self.page_bits
        return self.bases[keys >> low_bits] + ((keys & ((1 << low_bits) - 1)) >> (KEY_BITS - self.key_bits))

    def floors(self, cells: Tensor) -> Tensor:
        """Lowest key of every cell, same shape, int64; anything for cells of no block."""
        inside = cells & ((1 << self.block_bits) - 1)
        block = (cells >> self.block_bits).clamp(max=len(self.prefixes) - 1)
        return (self.prefixes[block] << (KEY_BITS - self.prefix_bits)) + (inside << (KEY_BITS - self.key_bits))


def divide(pages: Tensor, bits: int) -> ScoreCells:
    """The finest division of the pages that occur into at most ``2**bits`` cells; reads nothing back from a device.

    Args:
        pages: Which pages occur, shape (P,), bool; P is a power of 2, at least 2**10.
        bits: At least 10.
    """
    size, page_bits = len(pages), len(pages).bit_length() - 1
    prefixes = torch.arange(size, device=pages.device)
    counts, present = [], pages
    for _ in range(page_bits - FEWEST_BITS + 1):
        counts.append(present.sum())
        present = present.view(-1, 2).any(dim=1)
    finer = [counts[0] << extra for extra in range(1, KEY_BITS - page_bits + 1)]
    needed = torch.stack([*counts[::-1], *finer])
    key_bits = FEWEST_BITS - 1 + (needed <= 1 << bits).sum()
    prefix_bits = key_bits.clamp(max=page_bits)
    prefix_of = prefixes >> (page_bits - prefix_bits)
    occurs = torch.zeros_like(prefixes).scatter_add_(0, prefix_of, pages.long()) > 0
    ranks = occurs.long().cumsum(0) - 1
    ordered = torch.zeros(size + 1, dtype=torch.int64, device=pages.device)
    ordered.scatter_(0, ranks.where(occurs, size), prefixes)
    bases = ranks[prefix_of].clamp(min=0) << (key_bits - prefix_bits)
    return ScoreCells(key_bits, bases, ordered[:size], occurs.sum())


def moved(counts: Tensor, old: ScoreCells, new: ScoreCells) -> Tensor:
    """Counts per cell of a division of fewer pages, summed over the cells of one of more pages.

    Args:
        counts: Shape (G, C), int64; on the host they may be changed in place.
        old: Division of ``counts``.
        new: Division of at least the same pages.

    Returns:
        Same shape.
    """
    if device_counts.on_host(counts):
        prefixes, key_bits, new_bits = old.prefixes.numpy()[:int(old.blocks)], int(old.key_bits), int(new.key_bits)
        if key_bits == new_bits or not prefixes.size:
            _shift(counts.numpy(), prefixes, key_bits, new.bases.numpy())
            return counts
        result = torch.zeros_like(counts)
        _merge(counts.numpy(), prefixes, key_bits, new.bases.numpy(), new_bits, result.numpy())
        return result
    cells = torch.arange(counts.shape[1], device=counts.device)
    used = cells < old.blocks << old.block_bits
    target = new.cells_of(old.floors(cells)).where(used, 0)
    return torch.zeros_like(counts).scatter_add_(1, target.expand(len(counts), -1), counts)


@compiled(nogil=True)
def _bits_of(pages: np.ndarray) -> int:
    """Binary logarithm of the number of pages."""
    bits = 0
    while 1 << bits < pages.size:
        bits += 1
    return bits


@compiled(nogil=True)
def _shift(counts, prefixes, key_bits, bases):
    """Move blocks, the last one first, so that none is written over: each goes up by whole blocks or stays."""
    page_bits = _bits_of(bases)
    prefix_bits = min(key_bits, page_bits)
    size = 1 << (key_bits - prefix_bits)
    for block in range(prefixes.size - 1, -1, -1):
        base = bases[prefixes[block] << (page_bits - prefix_bits)]
        if base == block * size:
            break
        for group in range(len(counts)):
            for inside in range(size):
                counts[group, base + inside] = counts[group, block * size + inside]
                counts[group, block * size + inside] = 0


@compiled(nogil=True)
def _merge(counts, prefixes, key_bits, bases, new_bits, result):
    page_bits = _bits_of(bases)
    prefix_bits = min(key_bits, page_bits)
    size = 1 << (key_bits - prefix_bits)
    for block in range(prefixes.size):
        base = bases[prefixes[block] << (page_bits - prefix_bits)]
        for inside in range(size):
            cell = base + ((inside << (KEY_BITS - key_bits)) >> (KEY_BITS - new_bits))
            for group in range(len(counts)):
                result[group, cell] += counts[group, block * size + inside]


@compiled(nogil=True)
def score_key(pattern: np.int32) -> np.uint32:
    """Key of 32 bits, uint32, of the bit pattern of a float32 score, int32; see :func:`.score_histogram.score_keys`."""
    pattern = np.int32(0) if pattern == LOWEST_PATTERN else pattern
    return np.uint32(pattern ^ ((pattern >> np.int32(31)) | LOWEST_PATTERN))


@compiled(nogil=True)
def add_pages(pages: np.ndarray, patterns: np.ndarray, groups: np.ndarray, last: int) -> bool:
    """Note the pages of scores.

    Args:
        pages: Changed in place, shape (P,), bool.
        patterns: Bit patterns of float32 scores, shape (n,), int32.
        groups: Group of each, shape (n,), integer.
        last: Scores of groups outside [0, last] are not looked at.

    Returns:
        Whether a page occurs that did not.
    """
    found, low_bits = False, np.uint32(KEY_BITS - _bits_of(pages))
    for pixel in range(patterns.size):
        if 0 <= groups[pixel] <= last:
            page = score_key(patterns[pixel]) >> low_bits
            if not pages[page]:
                pages[page] = found = True
    return found


@compiled(nogil=True)
def add_counts(counts: np.ndarray, patterns: np.ndarray, groups: np.ndarray, bases: np.ndarray, key_bits: int) -> None:
    """Count scores whose pages have cells.

    Args:
        counts: Changed in place, shape (G, C), int64.
        patterns: Bit patterns of float32 scores, shape (n,), int32.
        groups: Group of each, shape (n,), integer; others than [0, G) are not counted.
        bases: See :class:`ScoreCells`.
        key_bits: See :class:`ScoreCells`.
    """
    low_bits, last = np.uint32(KEY_BITS - _bits_of(bases)), len(counts) - 1
    shift, mask = np.uint32(KEY_BITS - key_bits), np.uint32((1 << low_bits) - 1)
    for pixel in range(patterns.size):
        group = groups[pixel]
        if 0 <= group <= last:
            key = score_key(patterns[pixel])
            counts[group, bases[key >> low_bits] + np.int64((key & mask) >> shift)] += 1

"""Order statistics of many numbers without sorting them all.

The bit patterns of floating-point numbers ascend with the numbers, once those below zero are turned round. Numbers fall into cells
of equal leading bits and are counted; only cells that hold what is asked for are sorted. Cells are as fine as the range between
the lowest and the highest number allows, whether the numbers are concentrated or spread over many orders of magnitude.
"""
from __future__ import annotations

import numpy as np

from .compiled import compiled

MOST_CELLS = 2**20


@compiled(nogil=True)
def _key(bits, sign):
    """Unsigned integer that ascends with the number of these bits; both zeros have one."""
    if bits < sign:
        return bits | sign
    return ~bits if bits > sign else sign


@compiled(nogil=True)
def _count(bits, sign, lowest, shift, counts):
    for number in bits:
        counts[(_key(number, sign) - lowest) >> shift] += 1


@compiled(nogil=True)
def _collect(bits, sign, lowest, shift, wanted, collected):
    place = 0
    for number in bits:
        key = _key(number, sign)
        if wanted[(key - lowest) >> shift]:
            collected[place] = key
            place += 1


@compiled(nogil=True)
def _keys(bits, sign):
    keys = np.empty_like(bits)
    for place, number in enumerate(bits):
        keys[place] = _key(number, sign)
    return keys


class OrderStatistics:
    """What sorting finite numbers would tell, in time proportional to how many there are.

    Args:
        numbers: Shape (n,), float32 or float64, n >= 1, finite.

    Attributes:
        size: n.
        dtype: Kind of the numbers.

    Examples:
        >>> order = OrderStatistics(np.array([0.5, -1.0, 2.0, 0.5]))
        >>> order.at(np.array([0, 2, 3])).tolist(), order.below(np.array([0.5, 9.0])).tolist()
        ([-1.0, 0.5, 2.0], [1, 4])
    """

    def __init__(self, numbers: np.ndarray) -> None:
        self.size, self.dtype = numbers.size, numbers.dtype
        self._bits, self._sign = _bits(numbers)
        self._lowest, highest = _keys(*_bits(np.array([numbers.min(), numbers.max()])))
        self._range = int(highest) - int(self._lowest)
        self._shift = np.uint64((self._range // min(MOST_CELLS, numbers.size)).bit_length())
        self._counts = np.zeros((self._range >> int(self._shift)) + 1, np.int64)
        _count(self._bits, self._sign, self._lowest, self._shift, self._counts)
        self._ends = self._counts.cumsum()

    def at(self, ranks: np.ndarray) -> np.ndarray:
        """Numbers that have some places in ascending order.

        Args:
            ranks: Places from 0 to n - 1, integers.

        Returns:
            Same shape, of the kind of the numbers.
        """
        cells = np.searchsorted(self._ends, ranks, side='right')
        collected, before = self._sorted(cells)
        return _numbers(collected[ranks - before])

    def below(self, edges: np.ndarray) -> np.ndarray:
        """How many numbers are smaller than each edge.

        Args:
            edges: Shape (m,), of the kind of the numbers.

        Returns:
            Shape (m,), int64, 0 to n.
        """
        keys = _keys(*_bits(edges))
        places = np.clip(keys, self._lowest, self._lowest + keys.dtype.type(self._range)) - self._lowest
        collected, before = self._sorted((places >> keys.dtype.type(self._shift)).astype(np.int64))
        return np.searchsorted(collected, keys, side='left') + before

    def _sorted(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Keys of some cells in ascending order, and how many keys below each of the cells are not among them."""
        own, place = np.unique(cells, return_inverse=True)
        wanted = np.zeros(self._counts.size, bool)
        wanted[own] = True
        sizes = self._counts[own]
        collected = np.empty(sizes.sum(), self._bits.dtype)
        _collect(self._bits, self._sign, self._lowest, self._shift, wanted, collected)
        collected.sort()
        return collected, (self._ends[own] - sizes.cumsum())[place]


def _bits(numbers: np.ndarray) -> tuple[np.ndarray, np.unsignedinteger]:
    """Bit patterns of numbers, and the one whose only bit is the sign."""
    bits = np.ascontiguousarray(numbers).view(f'u{numbers.itemsize}')
    return bits, bits.dtype.type(1 << 8 * numbers.itemsize - 1)


def _numbers(keys: np.ndarray) -> np.ndarray:
    """Numbers of :func:`_keys`."""
    sign = keys.dtype.type(1 << 8 * keys.itemsize - 1)
    return np.where(keys < sign, ~keys, keys ^ sign).view(f'f{keys.itemsize}')

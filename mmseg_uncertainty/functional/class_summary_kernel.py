"""The class summary of float32 logits on a CPU: compiled, vectorized, in blocks that fit the cache."""
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compiled import compiled

BLOCK_PIXELS = 2048
OPTIONS = dict(nogil=True, error_model='numpy', fastmath={'contract', 'nsz'})

# e^(-d) = 2^n e^r with |r| <= ln(2)/2: n is rounded by adding 1.5 * 2^23, ln(2) is subtracted in two parts, and e^r is
# Cephes' polynomial of single precision. Distances beyond 87, where e^(-d) leaves the normal numbers, count as 87.
ROUNDING = np.float32(12582912.0)
LOG2_E = np.float32(1.4426950408889634)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
LARGEST_DISTANCE = np.float32(87.0)
C6, C5, C4, C3, C2 = (np.float32(value) for value in (
    1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1))
C7 = np.float32(1.9875691500e-4)
ONE, ZERO = np.float32(1), np.float32(0)


@intrinsic
def _bits_of(context, value):
    def generate(_, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(32))
    return types.int32(types.float32), generate


@intrinsic
def _float_of(context, bits):
    def generate(_, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())
    return types.float32(types.int32), generate


@compiled(**OPTIONS)
def _rank(maximum, second, predicted, values, index):
    """Take one more class into the two largest logits; of equal ones the first is the largest."""
    for i in range(maximum.size):
        value, largest = values[i], maximum[i]
        second[i] = max(second[i], min(largest, value))
        if value > largest:
            predicted[i] = index
        maximum[i] = max(largest, value)


@compiled(**OPTIONS)
def _add(maximum, predicted, rest, spread, values, index):
    """Add one class to both sums."""
    for i in range(maximum.size):
        distance = maximum[i] - values[i]
        distance = LARGEST_DISTANCE if distance > LARGEST_DISTANCE else distance
        rounded = ROUNDING - distance * LOG2_E
        exponent = rounded - ROUNDING
        r = -distance - exponent * LN2_HIGH - exponent * LN2_LOW
        power = (((((C7 * r + C6) * r + C5) * r + C4) * r + C3) * r + C2) * (r * r) + r + ONE
        weight = _float_of(_bits_of(power) + (_bits_of(rounded) << np.int32(23)))
        spread[i] += distance * weight
        rest[i] += weight if predicted[i] != index else ZERO


@compiled(**OPTIONS)
def _summarize(logits, maximum, gap, rest, spread, predicted, begin, end):
    for start in range(begin, end, BLOCK_PIXELS):
        stop = min(start + BLOCK_PIXELS, end)
        largest, second, winner = maximum[start:stop], gap[start:stop], predicted[start:stop]
        others, distances = rest[start:stop], spread[start:stop]
        largest[:], second[:], winner[:], others[:], distances[:] = logits[0, start:stop], -np.inf, 0, 0, 0
        for index in range(1, len(logits)):
            _rank(largest, second, winner, logits[index, start:stop], np.int32(index))
        for index in range(len(logits)):
            _add(largest, winner, others, distances, logits[index, start:stop], np.int32(index))
        for i in range(largest.size):
            second[i] = largest[i] - second[i]
            if np.isnan(distances[i]):
                largest[i] = second[i] = others[i] = np.nan


def summarize_rows(logits: np.ndarray, threads: int) -> list[np.ndarray]:
    """Maximum, gap, rest and spread in float32 and arg-max in int32.

    Args:
        logits: Shape (K, n), float32, contiguous.
        threads: How many threads share the pixels, at least 1.

    Returns:
        Five arrays of shape (n,).
    """
    size = logits.shape[1]
    maps = [np.empty(size, np.float32) for _ in range(4)] + [np.empty(size, np.int32)]
    blocks = -(-size // BLOCK_PIXELS)
    share = max(-(-blocks // threads), 1) * BLOCK_PIXELS
    parts = [(start, min(start + share, size)) for start in range(0, size, share)]
    if len(parts) < 2:
        _summarize(logits, *maps, 0, size)
    else:
        with ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(lambda part: _summarize(logits, *maps, *part), parts))
    return maps

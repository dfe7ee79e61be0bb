r"""Resampled rankings, from what images leave behind (:mod:`.rank_records`), with certain limits.

All images are brought to common columns of scores, chosen from the pooled ranking: narrow where few pixels move a ranking
metric. How many pixels of an image lie above the edge of a column is known to within 1 in 128 at most. A ranking that takes
the most positives and the fewest negatives above every edge is at least as good as the true one, the contrary ranking at
most as good, and the mean of both lies between, since all ranking metrics are monotone in that.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .rank_records import counts_above
from .score_cells import KEY_BITS
from .score_histogram import RankedCounts, score_keys

COLUMNS = 2048
CHUNK = 100
CANDIDATES = 1 << 20
Blocks = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class ResampledRankings:
    """Positives and negatives per column, from the most uncertain column on, each of shape (R, K), float64.

    Args:
        middle: Halfway between the others.
        worst: No better than the true rankings, but for the order within columns.
        best: No worse than the true rankings, but for the order within columns.
        doubt: Most positives of a resample of which it is not known on which side of an edge they lie, shape (R,).
    """

    middle: tuple[np.ndarray, np.ndarray]
    worst: tuple[np.ndarray, np.ndarray]
    best: tuple[np.ndarray, np.ndarray]
    doubt: np.ndarray


def column_edges(ranked: RankedCounts, columns: int = COLUMNS) -> np.ndarray:
    """Lowest key of every column.

    Within a column neither the share of the positives or negatives above grows by more than a few in ``columns``, nor
    does its logarithm, unless a single score has them.

    Args:
        ranked: All images together.
        columns: About how many columns.

    Returns:
        Keys of 32 bits, descending, at most ``columns`` + 1 of them, the last 0; int64.
    """
    bins = ranked.thresholds.size
    spread = np.linspace(0, bins - 1, CANDIDATES // 2).astype(int)
    kept = np.arange(bins) if bins <= CANDIDATES else np.unique(np.r_[:CANDIDATES // 2, spread])
    position = np.zeros(kept.size)
    for counts in (ranked.positives, ranked.negatives):
        above = np.cumsum(counts)[kept]
        total = max(above[-1], 1) if above.size else 1
        position += above / total + np.log1p(above) / np.log1p(total)
    steps = np.floor(position * columns / 4)
    last = kept[np.flatnonzero(np.diff(steps, append=np.inf))]
    edges = score_keys(ranked.thresholds[last], KEY_BITS).astype(np.int64)
    edges[-1:] = 0
    return edges


def columns_of(images: Sequence[tuple[Blocks, Blocks]], edges: np.ndarray) -> np.ndarray:
    """Fewest and most pixels above every edge.

    Args:
        images: Blocks of the negatives and of the positives of each of n images.
        edges: From :func:`column_edges`, shape (K,).

    Returns:
        Fewest and most, negatives and positives, shape (2, 2, n, K), int32.
    """
    counts = np.empty((2, 2, len(images), edges.size), np.int32)
    for index, image in enumerate(images):
        for group, blocks in enumerate(image):
            counts[:, group, index] = counts_above(*blocks, edges)
    return counts


def resampled_rankings(counts: np.ndarray, weights: np.ndarray) -> Iterator[ResampledRankings]:
    """Rankings of resamples, a hundred at a time.

    Args:
        counts: From :func:`columns_of`.
        weights: Occurrences of the images in the resamples, shape (R, n), int64.
    """
    for start in range(0, len(weights), CHUNK):
        part = weights[start:start + CHUNK].astype(float)
        (no_fewer, few), (no_more, most) = ([part @ group.astype(float) for group in side] for side in counts)
        doubt = (most - few).max(axis=1, initial=0)
        few, most, no_fewer, no_more = (np.diff(above, axis=1, prepend=0) for above in (few, most, no_fewer, no_more))
        yield ResampledRankings(((few + most) / 2, (no_fewer + no_more) / 2), (few, no_more), (most, no_fewer), doubt)

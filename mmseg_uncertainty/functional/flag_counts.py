"""How many pixels of each kind an image flags at any threshold, from one pass over the images."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .alarms import has_region
from .score_histogram import NonFiniteScoreError, score_keys, scores_of_keys

NEGATIVE, POSITIVE, UNKNOWN = range(3)
LABEL_KINDS = ('classes', 'anomaly')
FLAG_BITS, FEWEST_BITS, MOST_BITS = 16, 10, 18


@dataclass(frozen=True)
class FlagTable:
    r"""Pixels of some images by cells of their score; a pixel is flagged where its cell is at least the threshold's.

    The cells are the leading bits of the order-preserving image of float32, as in
    :func:`~mmseg_uncertainty.functional.score_histogram.score_keys`. They are the same for any images, so thresholds at their
    edges were chosen before an image was seen, which tests of many thresholds need; and counts at those are exact.

    Args:
        image: Index of the image of each row, shape (M,), int64, ascending.
        cell: Cell of each row, shape (M,), int64, in [0, 2**bits), ascending within an image.
        counts: Pixels of each row that should not be flagged (right, or in-distribution), that should be (mistakes, or
            anomalies), and without a label, shape (M, 3), int64.
        num_images: Number of images n.
        label_kind: What the kinds are: ``'classes'`` tells right from wrong pixels, ``'anomaly'`` in-distribution pixels from
            anomalies.
        bits: Leading bits that cells tell apart.
        region_cells: By size a of a region, the highest cell at which an image flags a connected region of at least a pixels,
            shape (n,), int64; -1 for images that are too small for one.
    """

    image: np.ndarray
    cell: np.ndarray
    counts: np.ndarray
    num_images: int
    label_kind: str = 'classes'
    bits: int = FLAG_BITS
    region_cells: Mapping[int, np.ndarray] = field(default_factory=dict)

    @property
    def totals(self) -> np.ndarray:
        """Pixels of each kind in each image, shape (n, 3), int64."""
        totals = np.zeros((self.num_images, 3), np.int64)
        np.add.at(totals, self.image, self.counts)
        return totals


def tabulate_flags(scores: np.ndarray,
                   kinds: np.ndarray,
                   label_kind: str = 'classes',
                   region_sizes: Sequence[int] = (),
                   bits: int = FLAG_BITS) -> FlagTable:
    """Tabulate one image.

    Args:
        scores: Shape (H, W), finite; higher is flagged first.
        kinds: 0 where a flag would be false, 1 where it would be right, 2 where there is no label; same shape.
        label_kind: One of :data:`LABEL_KINDS`.
        region_sizes: Sizes of the 8-connected regions to look for, in pixels.
        bits: Leading bits of the scores that count, 10 to 18. 16 tell apart scores that differ by 1/128.

    Returns:
        The table of this image.

    Raises:
        NonFiniteScoreError: A score is NaN or infinite, labelled or not, since what is flagged does not ask for labels.
        ValueError: An option is out of range, or the shapes differ.

    Examples:
        >>> table = tabulate_flags(np.array([[0.5, 0.25]]), kinds=np.array([[1, 0]]))
        >>> table.counts.tolist(), threshold_of_cell(int(table.cell[1])) < 0.5  # flags the mistake, not the other
        ([[1, 0, 0], [0, 1, 0]], True)
    """
    if label_kind not in LABEL_KINDS or not FEWEST_BITS <= bits <= MOST_BITS or min(region_sizes, default=1) < 1:
        raise ValueError(f'tabulate_flags: label_kind={label_kind!r} must be one of {LABEL_KINDS}, bits={bits} lie in '
                         f'{FEWEST_BITS}..{MOST_BITS}, and region_sizes={tuple(region_sizes)} be at least 1.')
    if scores.shape != kinds.shape:
        raise ValueError(f'tabulate_flags: scores have shape {scores.shape}, kinds {kinds.shape}; they must agree.')
    if not np.isfinite(scores).all():
        raise NonFiniteScoreError(f'tabulate_flags: {int((~np.isfinite(scores)).sum())} of {scores.size} scores are NaN or '
                                  'infinite; check the head, its checkpoint, and half precision.')
    cells = score_keys(np.ascontiguousarray(scores, np.float32), bits).astype(np.int64)
    occupied, rows = np.unique(cells, return_inverse=True) if cells.size < 1 << (bits - 2) else _ranks(cells, bits)
    counts = np.bincount(rows.ravel() * 3 + kinds.ravel(), minlength=3 * len(occupied)).reshape(-1, 3)
    regions = {int(size): np.array([region_cell(cells, size)]) for size in region_sizes}
    return FlagTable(np.zeros(len(occupied), np.int64), occupied, counts.astype(np.int64), 1, label_kind, bits, regions)


def _ranks(cells: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`numpy.unique`, without sorting as many values as there are pixels."""
    present = np.zeros(1 << bits, bool)
    present[cells] = True
    return np.flatnonzero(present), (np.cumsum(present) - 1)[cells]


def region_cell(cells: np.ndarray, size: int) -> int:
    """The highest threshold at which an 8-connected region of at least ``size`` pixels reaches it.

    Args:
        cells: Shape (H, W), integer.
        size: Least number of pixels.

    Returns:
        One of the values that occur, -1 where even all pixels are too few. Found by bisection, as regions only grow while
        the threshold falls.

    Examples:
        >>> region_cell(np.array([[5, 4, 0, 9]]), size=2)  # the 9 stands alone
        4
    """
    if cells.size < size:
        return -1
    values = np.unique(cells)
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        if has_region(cells >= values[middle], size):
            low = middle
        else:
            high = middle
    return int(values[low])


def concatenate_flags(tables: Sequence[FlagTable]) -> FlagTable:
    """Append tables of different images.

    Args:
        tables: At least one; images are renumbered in this order.

    Raises:
        ValueError: They are of different kinds of labels, cells or regions.

    Examples:
        >>> table = tabulate_flags(np.array([[0.5, 0.25]]), kinds=np.array([[1, 0]]))
        >>> concatenate_flags([table, table]).image.tolist()
        [0, 0, 1, 1]
    """
    kinds = {(table.label_kind, table.bits, tuple(sorted(table.region_cells))) for table in tables}
    if len(kinds) != 1:
        raise ValueError(f'concatenate_flags: the tables differ in labels, bits or regions, {sorted(kinds)}; expected one kind.')
    offsets = np.cumsum([0] + [table.num_images for table in tables])
    return FlagTable(
        np.concatenate([table.image + offset for table, offset in zip(tables, offsets)]),
        np.concatenate([table.cell for table in tables]), np.concatenate([table.counts for table in tables]), int(offsets[-1]),
        tables[0].label_kind, tables[0].bits,
        {size: np.concatenate([table.region_cells[size] for table in tables]) for size in tables[0].region_cells})


def threshold_of_cell(cell: int, bits: int = FLAG_BITS) -> float:
    """The threshold above which (``score > threshold``) lie exactly the scores of this cell and of higher ones.

    Args:
        cell: In 0..2**bits; 0 flags everything and 2**bits nothing.
        bits: As in :func:`tabulate_flags`.

    Returns:
        A float32 as a float, -inf and inf at the ends.

    Examples:
        >>> threshold_of_cell(0), threshold_of_cell(1 << 16)
        (-inf, inf)
    """
    if cell <= 0:
        return -np.inf
    if cell >= 1 << bits:
        return np.inf
    floor = scores_of_keys(np.array([cell << (32 - bits)], np.uint32))[0]
    # Commands take subnormal numbers for zero, which would no longer lie below zero.
    return float(np.nextafter(floor, np.float32(-np.inf)) if floor else -np.finfo(np.float32).tiny)

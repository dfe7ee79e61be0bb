r"""Losses of flagged pixels as exact step functions of the threshold.

A threshold flags the cells from k on, k in 0..C for C cells. Losses that rise with k are functions of q = k / C, those that fall
of q = 1 - k / C, so that all are step functions that lose nothing at q = 0, as
:class:`~mmseg_uncertainty.functional.conformal_losses.StepLoss` wants them. Ratios of flagged or kept pixels may also fall; their
steps then have negative weights.
"""
from __future__ import annotations

import numpy as np

from .conformal_losses import StepLoss
from .flag_counts import NEGATIVE, POSITIVE, FlagTable

TARGETS = ('mistakes', 'anomalies')


def detection_table(table: FlagTable, of: str) -> FlagTable:
    """The table with what should be flagged in its second column.

    Args:
        table: Table of n images.
        of: ``'mistakes'``, or ``'anomalies'``: then pixels with a class are in-distribution, right or wrong.

    Raises:
        ValueError: Mistakes are asked for where labels know anomalies only, or ``of`` is unknown.

    Examples:
        >>> from mmseg_uncertainty.functional.flag_counts import tabulate_flags
        >>> table = tabulate_flags(np.array([[0.5, 0.25]]), kinds=np.array([[1, 0]]))
        >>> detection_table(table, of='anomalies').totals.tolist()
        [[2, 0, 0]]
    """
    if of not in TARGETS:
        raise ValueError(f'of={of!r} is unknown; choose from {TARGETS}.')
    if table.label_kind == 'anomaly':
        if of == 'mistakes':
            raise ValueError("of='mistakes' needs labels of classes, and these are of anomalies; set of='anomalies'.")
        return table
    if of == 'mistakes':
        return table
    counts = np.stack([table.counts[:, NEGATIVE] + table.counts[:, POSITIVE], np.zeros_like(table.cell), table.counts[:, 2]], 1)
    return FlagTable(table.image, table.cell, counts, table.num_images, 'anomaly', table.bits, table.region_cells)


def false_alarm_loss(table: FlagTable, units: np.ndarray | None = None) -> StepLoss:
    """Share of the pixels that should not be flagged and are; images without such pixels have no loss.

    Args:
        table: Table of n images, see :func:`detection_table`.
        units: What is exchangeable: unit of each image, shape (n,), integer from 0 on. Losses are averaged in a unit; ``None``
            takes each image for itself.

    Returns:
        Losses of the units, in [0, 1]; q = 1 - k / C.

    Examples:
        >>> from mmseg_uncertainty.functional.flag_counts import tabulate_flags
        >>> table = tabulate_flags(np.array([[0.9, 0.5, 0.1]]), kinds=np.array([[1, 0, 0]]))
        >>> false_alarm_loss(table).at([0.0, 0.253, 1.0]).tolist()  # nothing, 0.9, then everything is flagged
        [[0.0, 0.0, 1.0]]
    """
    return _share_loss(table, NEGATIVE, 1 << table.bits, units, falls=True)


def miss_loss(table: FlagTable, units: np.ndarray | None = None) -> StepLoss:
    """Share of the pixels that should be flagged and are not; images without such pixels have no loss.

    Arguments as in :func:`false_alarm_loss`; q = k / C.

    Examples:
        >>> from mmseg_uncertainty.functional.flag_counts import tabulate_flags
        >>> table = tabulate_flags(np.array([[0.9, 0.5, 0.1]]), kinds=np.array([[1, 0, 0]]))
        >>> miss_loss(table).at([0.0, 1.0]).tolist()
        [[0.0, 1.0]]
    """
    return _share_loss(table, POSITIVE, 1 << table.bits, units, falls=False)


def frame_alarm_loss(table: FlagTable, pixels: int = 1, region: int | None = None, units: np.ndarray | None = None) -> StepLoss:
    """Whether an image raises an alarm; images with an anomaly have no loss.

    All pixels count, those without a label too, since nothing tells them from others at run time.

    Args:
        table: Table of n images, see :func:`detection_table`.
        pixels: An alarm is raised where at least so many pixels are flagged.
        region: An alarm is raised where an 8-connected region of so many pixels is flagged; takes the place of ``pixels``.
        units: As in :func:`false_alarm_loss`.

    Returns:
        Losses in {0, 1}, or their mean in each unit; q = 1 - k / C.

    Raises:
        ValueError: ``pixels`` is below 1, or the table has not looked for regions of this size.

    Examples:
        >>> from mmseg_uncertainty.functional.flag_counts import tabulate_flags
        >>> table = tabulate_flags(np.array([[0.9, 0.5, 0.1]]), kinds=np.array([[1, 0, 0]]))
        >>> frame_alarm_loss(table, pixels=3).at([0.0, 1.0]).tolist(), frame_alarm_loss(table, pixels=4).at([1.0]).tolist()
        ([[0.0, 1.0]], [[0.0]])
    """
    if region is not None and region not in table.region_cells:
        raise ValueError(f'frame_alarms: region={region} was not looked for while counting, only {sorted(table.region_cells)}; '
                         'count again with this size among region_sizes.')
    if pixels < 1:
        raise ValueError(f'frame_alarms: pixels={pixels} must be at least 1.')
    highest = _pixel_cells(table, pixels) if region is None else table.region_cells[region]
    defined = np.ones(table.num_images, bool)
    if table.label_kind == 'anomaly':
        defined = table.totals[:, POSITIVE] == 0
    image = np.flatnonzero(defined & (highest >= 0))
    return _by_unit(image, highest[image], np.ones(len(image)), defined, 1 << table.bits, units, falls=True)


def selective_risk_loss(table: FlagTable, units: np.ndarray | None = None) -> StepLoss:
    """Share of mistakes (or anomalies) among the pixels that are not flagged, 0 where all are; q = k / C, not monotone.

    Arguments as in :func:`false_alarm_loss`.

    Examples:
        >>> from mmseg_uncertainty.functional.flag_counts import tabulate_flags
        >>> table = tabulate_flags(np.array([[0.9, 0.5, 0.1]]), kinds=np.array([[1, 0, 0]]))
        >>> selective_risk_loss(table).at([0.0, 1.0]).round(2).tolist()  # nothing is kept, then everything
        [[0.0, 0.33]]
    """
    return _ratio_loss(table, POSITIVE, units, falls=False)


def false_discovery_loss(table: FlagTable, units: np.ndarray | None = None) -> StepLoss:
    """One minus the precision of the flags: share of flagged pixels that should not be, 0 where none is flagged.

    Arguments as in :func:`false_alarm_loss`; q = 1 - k / C, not monotone.

    Examples:
        >>> from mmseg_uncertainty.functional.flag_counts import tabulate_flags
        >>> table = tabulate_flags(np.array([[0.9, 0.5, 0.1]]), kinds=np.array([[1, 0, 0]]))
        >>> false_discovery_loss(table).at([0.0, 1.0]).round(2).tolist()
        [[0.0, 0.67]]
    """
    return _ratio_loss(table, NEGATIVE, units, falls=True)


def cell_of_level(level: float, bits: int, falls: bool) -> int:
    """Cell k of a level q.

    Examples:
        >>> cell_of_level(1.0, bits=16, falls=True), cell_of_level(0.0, bits=16, falls=True)  # all, and nothing, is flagged
        (0, 65536)
    """
    cells = 1 << bits
    return round(cells * (1 - level)) if falls else round(cells * level)


def _share_loss(table: FlagTable, kind: int, cells: int, units: np.ndarray | None, falls: bool) -> StepLoss:
    total = table.totals[:, kind]
    rows = table.counts[:, kind] > 0
    image = table.image[rows]
    return _by_unit(image, table.cell[rows], table.counts[rows, kind] / total[image], total > 0, cells, units, falls)


def _ratio_loss(table: FlagTable, kind: int, units: np.ndarray | None, falls: bool) -> StepLoss:
    labelled = table.counts[:, :2].sum(axis=1) > 0
    image, cell, counts = table.image[labelled], table.cell[labelled], table.counts[labelled, :2]
    order = np.lexsort((-cell if falls else cell, image))
    image, cell, counts = image[order], cell[order], counts[order]
    first = np.r_[True, image[1:] != image[:-1]] if len(image) else np.zeros(0, bool)
    summed = np.cumsum(counts, axis=0)
    starts = np.flatnonzero(first)
    before = (summed - counts)[starts]
    summed = summed - np.repeat(before, np.diff(np.r_[starts, len(image)]), axis=0)
    ratio = summed[:, kind] / summed.sum(axis=1).clip(min=1)
    previous = np.where(first, 0.0, np.r_[0.0, ratio[:-1]])
    defined = table.totals[:, :2].sum(axis=1) > 0
    return _by_unit(image, cell, ratio - previous, defined, 1 << table.bits, units, falls)


def _pixel_cells(table: FlagTable, pixels: int) -> np.ndarray:
    """Highest cell at which an image flags so many pixels, shape (n,), -1 for images of fewer."""
    order = np.lexsort((-table.cell, table.image))
    image, cell, count = table.image[order], table.cell[order], table.counts[order].sum(axis=1)
    summed = np.cumsum(count)
    before = np.concatenate([[0], np.cumsum(np.bincount(image, count, table.num_images).astype(np.int64))])[image]
    reached = (summed - before >= pixels) & (summed - before - count < pixels)
    highest = np.full(table.num_images, -1)
    highest[image[reached]] = cell[reached]
    return highest


def _by_unit(image: np.ndarray, cell: np.ndarray, weight: np.ndarray, defined: np.ndarray, cells: int,
             units: np.ndarray | None, falls: bool) -> StepLoss:
    level = ((cells - 1 - cell) if falls else cell) / cells
    if units is not None:
        images = np.bincount(units[defined], minlength=int(units.max(initial=-1)) + 1)
        image, weight, defined = units[image], weight / images[units[image]], images > 0
    order = np.lexsort((weight, level))
    return StepLoss(image[order], level[order], weight[order], defined)

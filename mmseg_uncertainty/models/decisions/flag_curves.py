"""Holds what all promises about flags depend on in buffers, so that any of them can be made later from the checkpoint alone."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dist import all_gather_object

from mmseg_uncertainty.functional.flag_counts import LABEL_KINDS, FlagTable, concatenate_flags
from mmseg_uncertainty.models.set_heads.resizable_buffers import ResizableBuffers

DTYPES = dict(rows=np.int32, cell=np.int32, counts=np.int32, units=np.int32, region_cells=np.int32, region_sizes=np.int32,
              format=np.int32)


class FlagCurves(ResizableBuffers):
    """Collect the tables of all images and processes, and keep the whole as buffers of whatever size it has.

    Attributes:
        rows: Rows of each image, shape (n,).
        cell: Cell of each row, shape (M,).
        counts: Pixels of each row by kind, shape (M, 3).
        units: Unit of each image, shape (n,).
        region_cells: See :class:`~mmseg_uncertainty.functional.flag_counts.FlagTable`, shape (n, S).
        region_sizes: Sizes of regions, shape (S,).
        format: Kind of the labels and bits of the cells, shape (2,), or (0,) before a fit.
    """

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[tuple[FlagTable, str, str]] = []
        for name, dtype in DTYPES.items():
            self.register_buffer(name, torch.from_numpy(np.zeros(0, dtype)))

    def reset(self) -> None:
        """Forget what was collected."""
        self._parts = []

    def add(self, table: FlagTable, name: str, unit: str) -> None:
        """Collect one image, with its name and that of its unit."""
        self._parts.append((table, name, unit))

    def merge_ranks(self) -> None:
        """Collect the images of all processes."""
        self._parts = [part for parts in all_gather_object(self._parts) for part in parts]

    def names(self) -> list[str]:
        """Names of the images collected."""
        return [name for _, name, _ in self._parts]

    def finish(self) -> None:
        """Join everything collected, sorted by image, and write it to the buffers.

        Raises:
            ValueError: No image was collected.
        """
        if not self._parts:
            raise ValueError('FlagThreshold: no image was seen, so there is nothing to choose a threshold from. Check the '
                             'calibration set (train_dataloader) and its split.')
        tables, _, units = zip(*sorted(self._parts, key=lambda part: part[1]))
        table, sizes = concatenate_flags(tables), sorted(tables[0].region_cells)
        regions = np.stack([table.region_cells[size] for size in sizes], 1) if sizes else np.zeros((table.num_images, 0))
        values = dict(rows=np.bincount(table.image, minlength=table.num_images), cell=table.cell, counts=table.counts,
                      units=np.unique(units, return_inverse=True)[1], region_cells=regions, region_sizes=np.array(sizes),
                      format=np.array([LABEL_KINDS.index(table.label_kind), table.bits]))
        for name, dtype in DTYPES.items():
            setattr(self, name, torch.from_numpy(values[name].astype(dtype)).to(getattr(self, name).device))
        self.reset()

    def table(self) -> FlagTable | None:
        """Counts of all images; ``None`` before a fit."""
        arrays = {name: getattr(self, name).cpu().numpy().astype(np.int64) for name in DTYPES}
        if not len(arrays['format']):
            return None
        kind, bits = arrays['format'].tolist()
        regions: Sequence[int] = arrays['region_sizes'].tolist()
        return FlagTable(np.repeat(np.arange(len(arrays['rows'])), arrays['rows']), arrays['cell'], arrays['counts'],
                         len(arrays['rows']), LABEL_KINDS[kind], bits,
                         {size: arrays['region_cells'][:, index] for index, size in enumerate(regions)})

"""Holds what all promises depend on in buffers, so that any of them can be made later from the checkpoint alone."""
from __future__ import annotations

import numpy as np
import torch
from mmengine.dist import all_gather_object
from torch import Tensor

from mmseg_uncertainty.functional.conformal_losses import ConformityTable
from mmseg_uncertainty.functional.set_size_curves import SIZE_BINS

from .resizable_buffers import ResizableBuffers

DTYPES = dict(rows=np.int32, label=np.uint8, conformity=np.float32, count=np.int32, pixels=np.int32, sizes=np.int32)


class ConformityCurves(ResizableBuffers):
    """Collect the tables of all batches and processes, and keep the whole as buffers of whatever size it has.

    Rows stand image by image and take 5 bytes each, or 9 where equal ones were merged.

    Args:
        num_classes: Number of classes, below 256.
        precision: Type of the conformities.

    Attributes:
        rows: Rows of each image, shape (n,).
        label: Class of each row, shape (M,).
        conformity: Conformity of each row, shape (M,).
        count: Pixels that each row stands for, shape (M,), or (0,) where all stand for one.
        pixels: Labelled pixels of each class in each image, shape (n, K).
        sizes: Result of :func:`~mmseg_uncertainty.functional.set_size_curves.size_histogram` for each image, shape (n,
            B).
    """

    def __init__(self, num_classes: int, precision: type = np.float32) -> None:
        super().__init__()
        self.types = DTYPES | dict(conformity=precision)
        self._parts: list[dict[str, np.ndarray]] = []
        shapes = dict(pixels=(0, num_classes), sizes=(0, SIZE_BINS))
        for name, dtype in self.types.items():
            self.register_buffer(name, torch.from_numpy(np.zeros(shapes.get(name, 0), dtype)))

    def reset(self) -> None:
        """Forget what was collected."""
        self._parts = []

    def add(self, table: ConformityTable, sizes: Tensor | None = None) -> None:
        """Collect the images of one batch.

        Args:
            table: Their conformities, rows in the order of the images.
            sizes: Their size histograms, shape (N, B); ``None`` where sizes are not of interest.
        """
        counts = np.empty(0) if (table.count == 1).all() else table.count
        rows = np.bincount(table.image, minlength=table.num_images)
        sizes = np.zeros((table.num_images, SIZE_BINS)) if sizes is None else sizes.cpu().numpy()
        values = (rows, table.label, table.conformity, counts, table.pixels, sizes)
        self._parts.append({name: value.astype(dtype) for (name, dtype), value in zip(self.types.items(), values)})

    def merge_ranks(self) -> None:
        """Collect the images of all processes."""
        self._parts = [part for parts in all_gather_object(self._parts) for part in parts]

    def finish(self) -> None:
        """Join everything collected and write it to the buffers.

        Raises:
            ValueError: No image was collected.
        """
        if not self._parts:
            raise ValueError('ConformityCurves: no image was seen, so there is nothing to calibrate with. Check the '
                             'calibration set (train_dataloader) and its split.')
        if any(len(part['count']) for part in self._parts):
            for part in self._parts:
                part['count'] = part['count'] if len(part['count']) else np.ones(len(part['label']), DTYPES['count'])
        for name in DTYPES:
            joined = torch.from_numpy(np.concatenate([part[name] for part in self._parts]))
            setattr(self, name, joined.to(getattr(self, name).device))
        self.reset()

    def clear(self) -> None:
        """Empty the buffers."""
        for name in DTYPES:
            setattr(self, name, getattr(self, name)[:0])

    def table(self) -> ConformityTable:
        """Conformities of all images, as losses are made of."""
        arrays = {name: getattr(self, name).cpu().numpy() for name in DTYPES}
        rows = arrays['rows']
        count = arrays['count'] if len(arrays['count']) else np.ones(len(arrays['label']))
        return ConformityTable(
            np.repeat(np.arange(len(rows)), rows), arrays['label'].astype(np.int64), arrays['conformity'],
            count.astype(np.int64), arrays['pixels'].astype(np.int64))

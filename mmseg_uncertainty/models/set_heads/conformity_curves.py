"""Holds a table of conformities in buffers, so that any promise can be made later from the checkpoint alone."""
from __future__ import annotations

import numpy as np
import torch
from mmengine.dist import all_gather_object
from torch import Tensor, nn

from mmseg_uncertainty.functional.conformal_losses import ConformityTable, concatenate_tables

DTYPES = dict(image=torch.int32, label=torch.int16, conformity=torch.float32, count=torch.int32, pixels=torch.int64)


class ConformityCurves(nn.Module):
    """Collect the tables of all batches and processes, and keep the whole as buffers of whatever size it has.

    Args:
        num_classes: Number of classes.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self._parts: list[ConformityTable] = []
        for name, dtype in DTYPES.items():
            self.register_buffer(name, torch.zeros((0, num_classes) if name == 'pixels' else 0, dtype=dtype))

    def reset(self) -> None:
        """Forget what was collected."""
        self._parts = []

    def add(self, table: ConformityTable) -> None:
        """Collect the images of one batch."""
        self._parts.append(table)

    def merge_ranks(self) -> None:
        """Collect the images of all processes."""
        self._parts = [table for parts in all_gather_object(self._parts) for table in parts]

    def finish(self) -> ConformityTable:
        """Join everything collected.

        Raises:
            ValueError: No image was collected.
        """
        if not self._parts:
            raise ValueError('ConformityCurves: no image was seen, so there is nothing to calibrate with.')
        table = concatenate_tables(self._parts)
        self.reset()
        return table

    def keep(self, table: ConformityTable) -> None:
        """Write a table to the buffers."""
        for name, dtype in DTYPES.items():
            setattr(self, name, torch.from_numpy(getattr(table, name)).to(getattr(self, name).device, dtype))

    def table(self) -> ConformityTable:
        """Read the table back from the buffers."""
        arrays = {name: getattr(self, name).cpu().numpy() for name in DTYPES}
        for name in ('image', 'label', 'count'):
            arrays[name] = arrays[name].astype(np.int64)
        return ConformityTable(**arrays)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args) -> None:
        for name in DTYPES:
            if prefix + name in state_dict:
                setattr(self, name, getattr(self, name).new_empty(state_dict[prefix + name].shape))
        super()._load_from_state_dict(state_dict, prefix, *args)

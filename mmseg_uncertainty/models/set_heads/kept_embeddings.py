"""Embeddings of calibration and target images in buffers, so that sets adapt anew from the checkpoint alone."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dist import all_gather_object
from torch import Tensor

from .resizable_buffers import ResizableBuffers

NAMES = ('values', 'positions', 'target')


class KeptEmbeddings(ResizableBuffers):
    """Collect embeddings of all batches and processes.

    Attributes:
        values: Of the calibration images in the order of their curves, shape (n, D), float64.
        positions: Where each stands among them, in [0, 1), shape (n,).
        target: Of the target images, shape (m, D).
        fitted: What was fitted to them, one row per number of a map of embeddings; shape (r, D + 1), the last column a constant.
    """

    def __init__(self) -> None:
        super().__init__()
        self._parts: dict[str, list[np.ndarray]] = {name: [] for name in NAMES}
        for name in (*NAMES, 'fitted'):
            self.register_buffer(name, torch.zeros(0, dtype=torch.float64))

    def start(self, *names: str) -> None:
        """Forget what was collected under these names."""
        for name in names:
            self._parts[name] = []

    def add(self, values: Tensor, positions: Sequence[float]) -> None:
        """Collect calibration images."""
        self._parts['values'].append(values.numpy())
        self._parts['positions'].append(np.asarray(positions, np.float64))

    def add_target(self, values: Tensor) -> None:
        """Collect target images."""
        self._parts['target'].append(values.numpy())

    def merge_ranks(self, *names: str) -> None:
        """Collect the images of all processes."""
        for name in names:
            self._parts[name] = [part for parts in all_gather_object(self._parts[name]) for part in parts]

    def finish(self, *names: str) -> None:
        """Write what was collected under these names to the buffers."""
        for name in names:
            if self._parts[name]:
                self.put(name, np.concatenate(self._parts[name]))
        self.start(*names)

    def put(self, name: str, values: np.ndarray) -> None:
        """Replace a buffer."""
        setattr(self, name, torch.from_numpy(np.ascontiguousarray(values, np.float64)).to(getattr(self, name).device))

    def array(self, name: str) -> np.ndarray:
        """A buffer in NumPy."""
        return getattr(self, name).cpu().numpy()

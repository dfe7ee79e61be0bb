"""Shares one pass of the base model among the calibrators of a batch."""
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Maps = dict[str, Tensor | None]


class LastPass:
    """Outputs of the base model for the windows of one batch, kept in memory until :meth:`forget`.

    Takes the place of :class:`BaseOutputCache` where a batch is predicted several times in a row. Nothing is rounded.
    """

    def __init__(self) -> None:
        self.passes = 0
        self.forget()

    def forget(self) -> None:
        """Start another batch."""
        self._kept: list[tuple[Tensor, str, Maps]] = []

    def __call__(self, inputs: Tensor, names: Sequence[str], salt: str, run: Callable[[Tensor], Maps]) -> Maps:
        """Outputs for one window; see :class:`BaseOutputCache`."""
        for known, circumstances, maps in self._kept:
            if circumstances == salt and set(names) <= set(maps) and torch.equal(known, inputs):
                return {name: maps[name] for name in names}
        self.passes += 1
        maps = run(inputs)
        self._kept.append((inputs, salt, maps))
        return {name: maps[name] for name in names}

    @staticmethod
    def reproduces(resized: Tensor, logits: Tensor) -> bool:
        """Whether resizing native logits again gives the same bits."""
        return torch.equal(resized, logits)

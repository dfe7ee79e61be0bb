"""Reads what goes through a layer during one pass."""
from __future__ import annotations

import threading
from typing import Any

import torch
from torch import Tensor, nn


class LayerTap:
    """Keep input and output of a layer while the ``with`` block runs, in float32 at least; the last call counts.

    Passes of other threads through the same layer are not seen.

    Args:
        layer: The layer, or ``None`` to see nothing.
    """

    def __init__(self, layer: nn.Module | None) -> None:
        self._layer, self._thread = layer, threading.get_ident()
        self.input: Tensor | None = None
        self.output: Tensor | None = None

    def __enter__(self) -> LayerTap:
        self._hook = None if self._layer is None else self._layer.register_forward_hook(self._keep)
        return self

    def __exit__(self, *_) -> None:
        if self._hook is not None:
            self._hook.remove()

    def _keep(self, _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if threading.get_ident() == self._thread:
            self.input, self.output = at_least_float32(inputs[0]), at_least_float32(output)


class OutputTap(LayerTap):
    """Keep whatever a layer returns, as it is; see :class:`LayerTap`."""

    def _keep(self, _: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        if threading.get_ident() == self._thread:
            self.output = output


def at_least_float32(maps: Tensor) -> Tensor:
    """Maps of a half-precision type in float32, others as they are."""
    return maps.to(torch.promote_types(maps.dtype, torch.float32))

"""Modules that take no gradient and compute exactly what they would if they did."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn

from mmseg_uncertainty.functional.compiled import is_compiling


TRAINED = '_required_grad_before_freezing'


class Frozen:
    """Freeze modules for good.

    Args:
        modules: Modules to freeze; those among their parameters that require gradients no longer do.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._modules = list(modules)
        # A network that is frozen a second time must run as it did the first time.
        self._parameters = [parameter for module in self._modules for parameter in module.parameters()
                            if parameter.requires_grad or getattr(parameter, TRAINED, False)]
        for parameter in self._parameters:
            setattr(parameter, TRAINED, True)
        self._require_grad(False)
        self.precision: torch.dtype | None = None
        self.eval()

    def hasten(self, precision: torch.dtype | None, channels_last: bool) -> None:
        """Trade the last digits for speed.

        Args:
            precision: ``torch.bfloat16`` or ``torch.float16`` to run in mixed precision, ``None`` to run as trained.
            channels_last: Whether weights of convolutions, and with them their outputs, lie in memory by pixel.
        """
        self.precision = precision
        for module in self._modules:
            module.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)

    def eval(self) -> None:
        """Put the modules into evaluation mode: running statistics, no dropout, no drop-path."""
        for module in self._modules:
            module.eval()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run without autograd, bit for bit as before freezing.

        PyTorch's matrix product folds batches by whether its operands require gradients, autograd or not, and folding
        changes the last bits. So the flags are what they were while the modules run.
        """
        if is_compiling() or torch.jit.is_tracing():
            yield
            return
        self._require_grad(True)
        try:
            with torch.no_grad(), self._autocast():
                yield
        finally:
            self._require_grad(False)

    def _autocast(self):
        if self.precision is None:
            return nullcontext()
        return torch.autocast(next(self._modules[0].parameters()).device.type, self.precision)

    def _require_grad(self, required: bool) -> None:
        for parameter in self._parameters:
            parameter.requires_grad = required

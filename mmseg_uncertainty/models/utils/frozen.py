"""Modules that take no gradient and compute exactly what they would if they did."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn


class Frozen:
    """Freeze modules for good.

    Args:
        modules: Modules to freeze; those among their parameters that require gradients no longer do.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._modules = list(modules)
        self._parameters = [parameter for module in self._modules for parameter in module.parameters()
                            if parameter.requires_grad]
        self._require_grad(False)
        self.eval()

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
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            yield
            return
        self._require_grad(True)
        try:
            with torch.no_grad():
                yield
        finally:
            self._require_grad(False)

    def _require_grad(self, required: bool) -> None:
        for parameter in self._parameters:
            parameter.requires_grad = required

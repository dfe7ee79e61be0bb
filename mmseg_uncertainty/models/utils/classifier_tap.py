"""Reads what goes into and comes out of the classifier of a decode head."""
from __future__ import annotations

from torch import Tensor, nn


class ClassifierTap:
    """Remember input and output of ``decode_head.conv_seg`` during a forward pass.

    mmseg gives every decode head a ``conv_seg``, but some heads never run theirs; :meth:`read` then says so.

    Args:
        decode_head: The (last) decode head of the base model.
    """

    def __init__(self, decode_head: nn.Module) -> None:
        self._features = self._logits = None
        classifier = getattr(decode_head, 'conv_seg', None)
        if classifier is not None:
            classifier.register_forward_hook(self._remember)

    def _remember(self, _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._features, self._logits = inputs[0], output

    def read(self, fallback: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return what the last pass left, and forget it.

        Args:
            fallback: Logits to return where the classifier did not run.

        Returns:
            Native logits, shape (N, K, h, w), and features, shape (N, C, h, w) or ``None``.
        """
        logits, features = self._logits, self._features
        self._features = self._logits = None
        return (fallback, None) if logits is None or logits.shape[1] != fallback.shape[1] else (logits, features)

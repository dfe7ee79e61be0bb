"""Reads what goes into and comes out of the classifier of a decode head."""
from __future__ import annotations

import torch
from torch import Tensor, nn


class ClassifierTap:
    """Remember input and output of ``decode_head.conv_seg`` during a forward pass.

    Both are at least float32, whatever precision the base model runs in. mmseg gives every decode head a ``conv_seg``,
    but some heads never run theirs; :meth:`read` then says so.

    Args:
        decode_head: The (last) decode head of the base model.
    """

    def __init__(self, decode_head: nn.Module) -> None:
        self._features = self._logits = None
        classifier = getattr(decode_head, 'conv_seg', None)
        if classifier is not None:
            classifier.register_forward_hook(self._remember)

    def _remember(self, _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._features, self._logits = at_least_float32(inputs[0]), at_least_float32(output)

    def hold(self, logits: Tensor | None, features: Tensor | None) -> None:
        """Take what a pass left that was made before."""
        self._logits, self._features = logits, features

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


def at_least_float32(maps: Tensor) -> Tensor:
    """Maps of a half-precision type in float32, others as they are."""
    return maps.to(torch.promote_types(maps.dtype, torch.float32))


def classifier_of(decode_head: nn.Module, owner: str) -> nn.Conv2d:
    """The classifier of a decode head.

    Args:
        decode_head: The base model's (last) decode head.
        owner: Who needs it, for the message.

    Raises:
        TypeError: The decode head has no convolution ``conv_seg`` as classifier.
    """
    classifier = getattr(decode_head, 'conv_seg', None)
    if not isinstance(classifier, nn.Conv2d):
        raise TypeError(f'{owner} needs a decode head whose classifier `conv_seg` is a Conv2d; '
                        f'{type(decode_head).__name__} has {type(classifier).__name__}.')
    return classifier

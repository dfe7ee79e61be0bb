"""Which values labels may have, and what a label says that is none of them."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmseg_uncertainty.label_values import VOID

MOST_SHOWN = 5


@dataclass(frozen=True)
class LabelSpace:
    """Values that labels may have.

    A value that is void is void even where it is the index of a class. Masks are computed where the labels are, and
    nothing waits for a device; only :meth:`check` and :meth:`checked` do.

    Args:
        num_classes: Classes are 0 to ``num_classes - 1``.
        ignore_index: Value of pixels without a label.
        others: Further values that are allowed.

    >>> LabelSpace(num_classes=2, ignore_index=9).checked(torch.tensor([0, 1, 9]), 'street.png')
    tensor([  0,   1, 255])
    """

    num_classes: int
    ignore_index: int = VOID
    others: Sequence[int] = ()

    @property
    def expected(self) -> str:
        """The allowed values in words, for messages."""
        others = ''.join(f', {value}' for value in self.others)
        return f'0 to {self.num_classes - 1}{others}, or {self.ignore_index} where there is none (void)'

    def known(self, labels: Tensor) -> Tensor:
        """Which pixels have a label, same shape, bool.

        Args:
            labels: Integers of a type that holds all values of the space.
        """
        return labels != self.ignore_index

    def wrong(self, labels: Tensor) -> Tensor:
        """Which labels are neither class, nor void, nor one of the others, same shape, bool.

        Args:
            labels: Integers of a type that holds all values of the space.
        """
        wrong = ((labels < 0) | (labels >= self.num_classes)) & self.known(labels)
        return wrong & ~equals_any(labels, self.others) if self.others else wrong

    def complaint(self, found: str, wrong: int, pixels: int) -> str:
        """What a message says of wrong labels.

        Args:
            found: The wrong values, in words.
            wrong: Number of pixels that have them.
            pixels: Number of all pixels.
        """
        return f'labels {found} at {wrong} of {pixels} pixels, expected {self.expected}.'

    def check(self, labels: Tensor, name: str, advice: str) -> None:
        """Raise unless every label is allowed.

        Args:
            labels: Integers of a type that holds all values of the space.
            name: What the message calls the image, or who reads it.
            advice: What to do, a sentence.

        Raises:
            ValueError: A value is none of those that are allowed.
        """
        wrong = self.wrong(labels)
        if wrong.any():
            found = _shown(labels[wrong].unique().tolist())
            raise ValueError(f'{name}: {self.complaint(found, int(wrong.sum()), labels.numel())} {advice}')

    def checked(self, labels: Tensor, name: str) -> Tensor:
        """Labels with :data:`~mmseg_uncertainty.label_values.VOID` where there is none, same shape, int64.

        Args:
            labels: Integers of any type.
            name: What messages call the image.

        Raises:
            TypeError: Labels are no integers.
            ValueError: A value is none of those that are allowed.
        """
        if labels.is_floating_point() or labels.is_complex():
            raise TypeError(f'{name}: labels are {labels.dtype}, expected integers, one class index per pixel. A transform '
                            'such as ToTensor, which scales to [0, 1], must not touch them.')
        labels = labels.long()
        self.check(labels, name, 'Map the labels in the dataset, or say with ignore_index which value has no meaning.')
        return labels.masked_fill(labels == self.ignore_index, VOID)


def equals_any(labels: Tensor, values: Sequence[int]) -> Tensor:
    """Whether a label is one of a few values, same shape, bool; nothing is copied to the device of the labels.

    >>> equals_any(torch.tensor([0, 1, 2, 1]), (1, 5))
    tensor([False,  True, False,  True])
    """
    found = torch.zeros_like(labels, dtype=torch.bool)
    for value in values:
        found |= labels == value
    return found


def _shown(values: Sequence[int]) -> str:
    few = [*values[:MOST_SHOWN - 1], '…', values[-1]] if len(values) > MOST_SHOWN else values
    return ', '.join(map(str, few))

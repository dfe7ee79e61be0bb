"""What a head asks of the classes of a base model."""
from __future__ import annotations

from mmseg_uncertainty.models.bases import FrozenBase


def check_exclusive_classes(base: FrozenBase, owner: str) -> None:
    """Raise unless class probabilities sum to 1.

    Args:
        base: The base model.
        owner: Who needs it, for the message.

    Raises:
        TypeError: There is one sigmoid per class.
    """
    if not base.distribution.sums_to_one:
        raise TypeError(f'{owner} reads a distribution over the classes, and the base model has one sigmoid per class. Choose a '
                        'score that reads one class at a time, such as MSPHead.')

"""What a model says about one image, as plain arrays."""
from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Prediction:
    """Result for one image, wherever it was computed.

    Args:
        labels: Class of every pixel, shape (H, W), integer.
        uncertainty: Maps by head, each of shape (H, W), float32; higher is more uncertain.
        set_size: Number of classes in the prediction set, shape (H, W), integer; ``None`` without a set head.
        set_membership: Which classes are in it, shape (K, H, W), bool; ``None`` without a set head and for huge images.
        flags: Pixels that each decision flags, each of shape (H, W), bool.
        truth: Labels where they are known, shape (H, W), 255 = void.
    """

    labels: np.ndarray
    uncertainty: dict[str, np.ndarray] = field(default_factory=dict)
    set_size: np.ndarray | None = None
    set_membership: np.ndarray | None = None
    truth: np.ndarray | None = None
    flags: dict[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def areas(self) -> np.ndarray:
        """Pixels of each class up to the largest label, int64."""
        return np.bincount(self.labels.reshape(-1))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.labels.shape


def share(flags: np.ndarray) -> float:
    """Share of the pixels that are set, of flags of any shape.

    Examples:
        >>> share(np.array([True, False, False, False]))
        0.25
    """
    return float(np.count_nonzero(flags) / flags.size)

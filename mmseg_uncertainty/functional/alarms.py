"""Whether the flags of a frame raise an alarm; needs no torch, so that exported models can say so too."""
from __future__ import annotations

import numpy as np

from .component_metrics import connected_components


def raises_alarm(flags: np.ndarray, pixels: int = 1, region: int | None = None) -> bool:
    """Whether enough pixels are flagged.

    Args:
        flags: Shape (H, W), bool.
        pixels: Number of flagged pixels that raises an alarm.
        region: Size in pixels of an 8-connected region that does; takes the place of ``pixels``.

    Examples:
        >>> flags = np.array([[True, False, True]])
        >>> raises_alarm(flags, pixels=2), raises_alarm(flags, region=2)
        (True, False)
    """
    if region is None:
        return bool(np.count_nonzero(flags) >= pixels)
    return has_region(flags, region)


def has_region(flags: np.ndarray, size: int) -> bool:
    """Whether flags (H, W), bool, hold an 8-connected region of at least ``size`` pixels.

    Examples:
        >>> has_region(np.array([[True, False], [False, True]]), size=2)  # diagonal neighbours
        True
    """
    return bool(np.count_nonzero(flags) >= size and connected_components(flags, size)[1])

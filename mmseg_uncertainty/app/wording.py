"""What the page says of sets and flags."""
from __future__ import annotations

import math

import numpy as np

from mmseg_uncertainty.label_values import VOID

from .explored_image import ExploredImage


def written_level(threshold: float) -> str:
    """Lambda with as many digits as tell it from 1."""
    if threshold <= 0:
        return '1'
    return f'{1 - threshold:.{max(3, 2 - math.floor(math.log10(threshold)))}f}'


def written_sizes(sizes: np.ndarray, num_classes: int) -> str:
    """Mean size and shares of sets, in words."""
    return (f'**{sizes.mean():.2f}** classes per pixel · one class at {100 * (sizes == 1).mean():.1f} % · all classes at '
            f'{100 * (sizes >= num_classes).mean():.1f} %')


def written_flags(explored: ExploredImage, flagged: np.ndarray) -> str:
    """How much is flagged, and what that finds where labels are known."""
    words = f'**{100 * flagged.mean():.1f} %** of the pixels flagged'
    mistakes = explored.mistakes
    if mistakes is None:
        return words + ' · labels unknown, so mistakes cannot be shown'
    known = explored.truth != VOID
    found = (flagged & mistakes).sum()
    return words + (f' · mistakes: {100 * mistakes[known].mean():.1f} % · found {100 * found / max(mistakes.sum(), 1):.0f} % of '
                    f'them · {100 * found / max((flagged & known).sum(), 1):.0f} % of the flagged are mistakes')

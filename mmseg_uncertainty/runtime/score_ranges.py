"""Ends of colour scales that all pictures of a run share."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .prediction import Prediction
from .score_scale import ScoreScale

PIXELS_PER_IMAGE = 4096
# Images that fix the colour scales of all.
PILOTS = 8
PERCENTILES = (1, 99)


class ScoreRanges:
    """Colour scales of heads: those that a score is bounded by or was calibrated with, for others percentiles over the images seen.

    Args:
        scales: Scale of each head.
        given: Ends that are fixed already, by head.
    """

    def __init__(self, scales: Mapping[str, ScoreScale], given: Mapping[str, tuple[float, float]] | None = None) -> None:
        known = {name: scale.shown for name, scale in scales.items() if scale.shown is not None}
        self.fixed: dict[str, tuple[float, float]] = {**known, **(given or {})}
        self.open = [name for name in scales if name not in self.fixed]
        self._samples: dict[str, list[np.ndarray]] = {name: [] for name in self.open}

    def see(self, prediction: Prediction) -> None:
        """Take pixels of an image into account, evenly spread over it."""
        for name in self.open:
            values = prediction.uncertainty[name].reshape(-1)
            self._samples[name].append(np.array(values[::max(values.size // PIXELS_PER_IMAGE, 1)], np.float32))

    def limits(self) -> dict[str, tuple[float, float]]:
        """Both ends by head, of what was seen so far: the 1st and 99th percentile of scores without bounds."""
        found = {name: _ends(samples) for name, samples in self._samples.items() if samples}
        return {**self.fixed, **found}


def pilots(count: int) -> list[int]:
    """Places of the images that fix the colour scales of so many: at most eight, evenly spread.

    Examples:
        >>> pilots(24), pilots(3)
        ([0, 3, 6, 9, 12, 15, 18, 21], [0, 1, 2])
    """
    return [index * count // min(count, PILOTS) for index in range(min(count, PILOTS))]


def _ends(samples: list[np.ndarray]) -> tuple[float, float]:
    low, high = np.percentile(np.concatenate(samples), PERCENTILES)
    return float(low), float(high)

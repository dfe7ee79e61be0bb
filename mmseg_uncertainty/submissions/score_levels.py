"""A monotone map from scores to the few numbers that a file format can tell apart."""
from __future__ import annotations

from collections.abc import Iterable

import numpy as np

# Enough to tell the ranks of a frame apart a hundred times finer than the curves of a benchmark do.
FRAME_SAMPLE = 2**15
MOST_SAMPLES = 2**23


class ScoreLevels:
    """Map scores to levels 0 … ``count`` - 1 such that a larger score never has a smaller level.

    A file format that holds few numbers makes different scores equal, most of all where a score has its interesting values: a
    score of 0.9 has 2,048 neighbours in half precision, and max-logits around 20 have 64. Levels are spread over what scores
    there are instead: a third of them by rank, a third by the log-odds of the rank, for the rare largest scores by which
    detectors are measured, and a third over the distinct scores. Scores of fewer than a third as many distinct values as there
    are levels stay distinct.

    Args:
        samples: Scores of all frames, or of parts of them that include their largest and smallest; finite.
        count: Number of levels, 2 or more.

    Raises:
        ValueError: There is no score, one is not finite, or there are fewer than two levels.

    Examples:
        >>> levels = ScoreLevels(np.array([-1e9, 0.1, 0.1000001, 7.]), count=16)
        >>> levels(np.array([-1e9, 0.1, 0.1000001, 7.])).tolist()
        [0, 5, 9, 15]
    """

    def __init__(self, samples: np.ndarray, count: int) -> None:
        samples = np.asarray(samples, np.float64).ravel()
        if count < 2 or not samples.size or not np.isfinite(samples).all():
            raise ValueError(f'ScoreLevels: {samples.size} scores, {np.count_nonzero(~np.isfinite(samples))} of them not finite, '
                             f'for {count} levels; expected finite scores and two levels or more.')
        self.count = count
        self.knots, copies = np.unique(samples, return_counts=True)
        self.positions = _positions(copies)

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Level of each score, int64, of the shape of the scores; those beyond the samples have the first or the last."""
        position = np.interp(np.asarray(scores, np.float64), self.knots, self.positions)
        return (position * (self.count - 1)).astype(np.int64)


def _positions(copies: np.ndarray) -> np.ndarray:
    """Place of each distinct score in [0, 1], strictly increasing."""
    if len(copies) == 1:
        return np.zeros(1)
    rank = (np.cumsum(copies, dtype=np.float64) - copies / 2) / copies.sum()
    odds = np.log(rank / (1 - rank))
    index = np.arange(len(copies)) / (len(copies) - 1)
    return (_to_unit(rank) + _to_unit(odds) + index) / 3


def _to_unit(values: np.ndarray) -> np.ndarray:
    return (values - values[0]) / (values[-1] - values[0])


def sample_scores(maps: Iterable[np.ndarray], count: int) -> np.ndarray:
    """Scores of maps at equal steps of their rank, the smallest and the largest of each included.

    Args:
        maps: One array per frame, finite.
        count: Number of maps, by which the samples of each are limited.

    Returns:
        Shape (samples, ), float64.
    """
    most = max(2, min(FRAME_SAMPLE, MOST_SAMPLES // max(count, 1)))
    parts = []
    for scores in maps:
        ordered = np.sort(scores, axis=None)
        parts.append(ordered[np.unique(np.linspace(0, ordered.size - 1, min(most, ordered.size)).astype(np.int64))])
    return np.concatenate(parts).astype(np.float64)

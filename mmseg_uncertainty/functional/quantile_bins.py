r"""The threshold that the SegmentMeIfYouCan benchmark compares components at: the best pixel F1 over bins of single images.

The scores of an image fall into bins whose edges are quantiles of its anomalous and of its other pixels, with 0 and 1 added
(768 bins in the benchmark's code, half of them for either group). The bins of all images are lined up by their lower edges, and
the best F1 along that line gives the threshold. It differs a little from that of the best F1 of all pixels, which
:func:`~mmseg_uncertainty.functional.ranking.best_f1` finds, and components at it differ with it.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .order_statistics import OrderStatistics
from .score_histogram import NonFiniteScoreError

BINS = 768


@dataclass(frozen=True)
class QuantileBins:
    """Pixels of one image by score.

    Args:
        edges: Lower edge of each bin, ascending, shape (B,), float64.
        positives: Anomalous pixels in each bin, shape (B,), int64.
        negatives: Other pixels in each bin, shape (B,), int64.
    """

    edges: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray


def quantile_bins(positives: np.ndarray, negatives: np.ndarray, bins: int = BINS) -> QuantileBins:
    """Count the scores of one image between its quantiles.

    Args:
        positives: Scores of the anomalous pixels, shape (n,).
        negatives: Scores of the other pixels, shape (m,).
        bins: Half as many quantiles of either group are edges, or as many as it has pixels if those are fewer.

    Raises:
        NonFiniteScoreError: If a score is NaN or infinite.

    Examples:
        >>> found = quantile_bins(positives=np.array([0.5, 2.0]), negatives=np.array([-1.0, 0.25]), bins=4)
        >>> found.edges.tolist(), found.positives.tolist()  # the last bin ends with the highest score
        ([-1.0, 0.0, 0.25, 0.5, 1.0], [0, 0, 0, 1, 1])
    """
    if not all(np.isfinite([scores.min(), scores.max()]).all() for scores in (positives, negatives) if scores.size):
        raise NonFiniteScoreError('a score is NaN or infinite.')
    groups = [OrderStatistics(_of_a_compiled_kind(scores)) if scores.size else None for scores in (positives, negatives)]
    quantiles = [_quantiles(group, min(bins // 2, group.size)) for group in groups if group]
    edges = np.unique(np.concatenate([[0., 1.], *quantiles]))
    return QuantileBins(edges[:-1], *(_counts(group, edges) if group else np.zeros(edges.size - 1, np.int64) for group in groups))


def _of_a_compiled_kind(scores: np.ndarray) -> np.ndarray:
    return scores.astype(np.float32) if scores.dtype == np.float16 else scores


def _quantiles(scores: OrderStatistics, most: int) -> np.ndarray:
    """Equally spaced quantiles, interpolated linearly between neighbours."""
    place = np.linspace(0, 1, most) * (scores.size - 1)
    below = np.floor(place).astype(np.int64)
    low, high = scores.at(np.stack([below, np.minimum(below + 1, scores.size - 1)])).astype(float)
    share = place - below
    # From the nearer neighbour, so that the last quantile is the highest score.
    return np.where(share < .5, low + (high - low) * share, high - (high - low) * (1 - share))


def _counts(scores: OrderStatistics, edges: np.ndarray) -> np.ndarray:
    # Edges in the precision of the scores are found at once; a score is at least an edge if it is at least its rounding up.
    rounded = edges.astype(scores.dtype)
    rounded = np.where(rounded < edges, np.nextafter(rounded, scores.dtype.type(np.inf)), rounded)
    return np.diff(scores.below(rounded[:-1]), append=scores.size)


def best_binned_f1(images: Sequence[QuantileBins]) -> tuple[float, float]:
    """Best F1 over the bins of all images, and the lower edge of the bin that reaches it.

    Args:
        images: Bins of every image.

    Returns:
        F1 in [0, 1], NaN without positives, and the threshold, infinite without positives.

    Examples:
        >>> image = quantile_bins(positives=np.array([0.5, 2.0]), negatives=np.array([-1.0, 0.25]), bins=4)
        >>> best_binned_f1([image, image])
        (1.0, 0.5)
    """
    edges, positives, negatives = (np.concatenate([getattr(image, name) for image in images] or [np.empty(0)])
                                   for name in ('edges', 'positives', 'negatives'))
    if not positives.any():
        return float('nan'), float('inf')
    # Bins that begin at one score count together: no threshold divides them, whatever their order.
    edges, place = np.unique(edges, return_inverse=True)
    counts = (np.bincount(place, pixels, edges.size)[::-1] for pixels in (positives, negatives))
    true, false = (np.cumsum(pixels) for pixels in counts)
    scores = 2 * true / (true + false + true[-1])
    best = int(scores.argmax())
    return float(scores[best]), float(edges[::-1][best])

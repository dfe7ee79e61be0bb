r"""How well a score ranks positives above negatives, computed from pixels counted per score bin.

Every function takes ``positives`` and ``negatives``: pixels per bin, shape (\*, B), from the most to the least
uncertain bin, as in :class:`~mmseg_uncertainty.functional.score_histogram.RankedCounts`. Leading
dimensions are independent, so a bootstrap is one call. Results are fractions in float64; NaN where a group has no
pixel. Pixels of one bin count as tied; each ``*_bound`` gives how far the value may lie from that of any finer ranking
with the same bins.
"""
from __future__ import annotations

import numpy as np

TRUE_POSITIVE_RATE = 0.95


def ratio(numerator: np.ndarray, denominator: np.ndarray, empty: float = np.nan) -> np.ndarray:
    """Quotient in float64, ``empty`` where the denominator is 0; shapes broadcast.

    Examples:
        >>> ratio([1, 0], [2, 0]).tolist()
        [0.5, nan]
    """
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    return np.divide(numerator, denominator, out=np.full(numerator.shape, float(empty)), where=denominator != 0)


def defined_mean(values: np.ndarray) -> np.ndarray:
    r"""Mean over the last axis, NaN left out; NaN where nothing is defined.

    Examples:
        >>> float(defined_mean(np.array([0.25, 0.75, np.nan])))
        0.5
    """
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(-1), defined.sum(-1))


def _cumulative(positives: np.ndarray, negatives: np.ndarray) -> tuple[np.ndarray, ...]:
    true, false = np.cumsum(positives, axis=-1), np.cumsum(negatives, axis=-1)
    if not true.shape[-1]:
        true = false = np.zeros((*true.shape[:-1], 1), np.int64)
    return true.astype(float), false.astype(float)


def _aligned(positives: np.ndarray, negatives: np.ndarray) -> tuple[np.ndarray, ...]:
    """Counts and inclusive cumulative counts in float64, at least one bin long."""
    true, false = _cumulative(positives, negatives)
    return np.diff(true, prepend=0), np.diff(false, prepend=0), true, false


def auroc(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    r"""Area under the ROC curve, :math:`P(s^+ > s^-) + P(s^+ = s^-) / 2`; 1 is perfect, 0.5 is chance.

    Examples:
        >>> float(auroc(positives=[3, 1, 0], negatives=[0, 1, 3]))  # 15 of 16 pairs in order, one tied: 15.5 / 16
        0.96875
    """
    here, there, true, false = _aligned(positives, negatives)
    return ratio((there * (true - here / 2)).sum(-1), true[..., -1] * false[..., -1])


def auroc_bound(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Largest error of :func:`auroc` that ties within bins may hide."""
    here, there, true, false = _aligned(positives, negatives)
    return ratio((here * there).sum(-1) / 2, true[..., -1] * false[..., -1])


def average_precision(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    r"""Step-wise average precision, :math:`\sum_b (R_b - R_{b-1}) P_b`, as in ``sklearn``; 1 is perfect.

    Examples:
        >>> round(float(average_precision(positives=[3, 1, 0], negatives=[0, 1, 3])), 4)  # 3/4 * 1 + 1/4 * 4/5
        0.95
    """
    here, _, true, false = _aligned(positives, negatives)
    return ratio((here * ratio(true, true + false, 0)).sum(-1), true[..., -1])


def average_precision_bound(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Largest error of :func:`average_precision` that ties within bins may hide.

    Precision within a bin is highest with its positives first and tied, lowest with its negatives first and distinct
    positives; the latter sum is concave in the rank, so its trapezoid lies below it.
    """
    here, there, true, false = _aligned(positives, negatives)
    tied = ratio(true, true + false, 0)
    best = ratio(true, true + false - there, 0)
    first = ratio(true - here + 1, true - here + 1 + false, 0)
    excess = (here * (best - tied)).sum(-1)
    shortfall = (here * (tied - (first + tied) / 2)).sum(-1)
    return ratio(np.maximum(excess, shortfall), true[..., -1])


def _reached(true: np.ndarray, rate: float) -> np.ndarray:
    return (ratio(true, true[..., -1:], 0) >= rate).argmax(axis=-1)[..., None]


def fpr_at_tpr(positives: np.ndarray, negatives: np.ndarray, rate: float = TRUE_POSITIVE_RATE) -> np.ndarray:
    """False-positive rate at the highest threshold whose true-positive rate is at least ``rate``; 0 is perfect.

    Examples:
        >>> float(fpr_at_tpr(positives=[3, 1, 0], negatives=[0, 1, 3]))  # all four positives take one of four negatives
        0.25
    """
    _, _, true, false = _aligned(positives, negatives)
    value = ratio(np.take_along_axis(false, _reached(true, rate), -1)[..., 0], false[..., -1])
    return np.where(true[..., -1] > 0, value, np.nan)


def fpr_at_tpr_bound(positives: np.ndarray, negatives: np.ndarray, rate: float = TRUE_POSITIVE_RATE) -> np.ndarray:
    """Largest error of :func:`fpr_at_tpr`: all negatives of the bin in which the rate is reached."""
    here, there, true, false = _aligned(positives, negatives)
    index = _reached(true, rate)
    mixed = np.take_along_axis(np.where(here > 0, there, 0), index, -1)[..., 0]
    return np.where(true[..., -1] > 0, ratio(mixed, false[..., -1]), np.nan)


def _f1(true: np.ndarray, false: np.ndarray, total: np.ndarray) -> np.ndarray:
    return np.where(total > 0, ratio(2 * true, true + false + total), np.nan)


def best_f1(positives: np.ndarray, negatives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest F1 over all thresholds, and the number of the last bin that reaches it (the lowest threshold).

    Examples:
        >>> value, last = best_f1(positives=[3, 1, 0], negatives=[0, 1, 3])
        >>> round(float(value), 4), int(last)  # 8/9, where both upper bins are flagged
        (0.8889, 1)
    """
    _, _, true, false = _aligned(positives, negatives)
    scores = _f1(true, false, true[..., -1:])
    best = scores.max(axis=-1)
    return best, scores.shape[-1] - 1 - (scores == best[..., None])[..., ::-1].argmax(axis=-1)


def best_f1_bound(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Largest error of the value of :func:`best_f1`: every bin's positives ahead of its negatives."""
    _, there, true, false = _aligned(positives, negatives)
    return _f1(true, false - there, true[..., -1:]).max(axis=-1) - best_f1(positives, negatives)[0]


def precision_recall_trapezoid(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Area under the precision-recall curve by the trapezoid rule, starting at precision 1 and recall 0.

    This is what a number of published tables call AP; it is larger than :func:`average_precision`.

    Examples:
        >>> area = precision_recall_trapezoid(positives=[3, 1, 0], negatives=[0, 1, 3])
        >>> round(float(area), 4)  # 3/4 * 1 + 1/4 * (1 + 4/5) / 2
        0.975
    """
    here, _, true, false = _aligned(positives, negatives)
    precision = ratio(true, true + false, 1)
    before = np.concatenate([np.ones_like(precision[..., :1]), precision[..., :-1]], axis=-1)
    return ratio((here * (precision + before) / 2).sum(-1), true[..., -1])


def precision_recall_trapezoid_bound(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Largest error of :func:`precision_recall_trapezoid` that ties within bins may hide.

    Every precision within a bin lies between those of all its negatives first and of all its positives first.
    """
    here, there, true, false = _aligned(positives, negatives)
    precision = ratio(true, true + false, 1)
    before = np.concatenate([np.ones_like(precision[..., :1]), precision[..., :-1]], axis=-1)
    tied, highest = (precision + before) / 2, ratio(true, true + false - there, 1)
    lowest = np.minimum(ratio(true - here, true - here + false, 0), before)
    gaps = (here * part for part in (np.maximum(highest, before) - tied, tied - lowest))
    return ratio(np.maximum(*(gap.sum(-1) for gap in gaps)), true[..., -1])


def _interpolated_fpr(positives: np.ndarray, negatives: np.ndarray, rate: float) -> tuple[np.ndarray, ...]:
    """False-positive rate interpolated at a true-positive rate, and at both ends of the stretch it lies in."""
    _, _, true, false = (np.concatenate([np.zeros_like(part[..., :1]), part], -1)
                         for part in _aligned(positives, negatives))
    rates, alarms = ratio(true, true[..., -1:]), ratio(false, false[..., -1:])
    last = np.maximum((rates <= rate).sum(axis=-1, keepdims=True) - 1, 0)
    following = np.minimum(last + 1, rates.shape[-1] - 1)
    low, high = (np.take_along_axis(rates, index, -1) for index in (last, following))
    start, end = (np.take_along_axis(alarms, index, -1) for index in (last, following))
    first = np.take_along_axis(alarms, np.maximum((rates < rate).sum(axis=-1, keepdims=True) - 1, 0), -1)
    value = start + ratio(rate - low, high - low, 0) * (end - start)
    return value[..., 0], first[..., 0], end[..., 0]


def interpolated_fpr_at_tpr(positives: np.ndarray, negatives: np.ndarray,
                            rate: float = TRUE_POSITIVE_RATE) -> np.ndarray:
    """False-positive rate interpolated linearly at a true-positive rate; the largest one where several have it.

    Examples:
        >>> rate = interpolated_fpr_at_tpr(positives=[3, 1, 0], negatives=[0, 1, 3])
        >>> round(float(rate), 4)  # from 3/4 to 1 of the positives it grows to 1/4, and 0.95 is four fifths of that way
        0.2
    """
    return _interpolated_fpr(positives, negatives, rate)[0]


def interpolated_fpr_at_tpr_bound(positives: np.ndarray, negatives: np.ndarray,
                                  rate: float = TRUE_POSITIVE_RATE) -> np.ndarray:
    """Largest error of :func:`interpolated_fpr_at_tpr`: the whole stretch between bins that do and do not reach the rate."""
    value, start, end = _interpolated_fpr(positives, negatives, rate)
    return np.maximum(end - value, value - start)

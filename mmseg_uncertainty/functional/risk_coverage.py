r"""Selective prediction: how the error rate falls when the most uncertain pixels are rejected.

``errors`` and ``correct`` are pixels per bin, shape (\*, B), from the most to the least uncertain bin, as in
:mod:`~mmseg_uncertainty.functional.ranking`. Pixels of one bin are taken in random order, so the values are
expectations over ties; each ``*_bound`` says how far another order could move them.
"""
from __future__ import annotations

import numpy as np
from scipy.special import digamma

from .ranking import auroc, auroc_bound, average_precision, average_precision_bound, ratio

SERIES_FROM = 128.
ROUNDING = 1e-9


def _kept(errors: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, ...]:
    """Per bin, most certain first: its errors, its pixels, and the errors and pixels ahead of it."""
    errors, correct = (np.asarray(counts, float)[..., ::-1] for counts in (errors, correct))
    pixels = errors + correct
    return errors, pixels, np.cumsum(errors, -1) - errors, np.cumsum(pixels, -1) - pixels


def _harmonic_gap(start: np.ndarray, length: np.ndarray) -> np.ndarray:
    r""":math:`\sum_{j=1}^{length} 1 / (start + j)` without cancellation for large starts."""
    near, far = start + .5, start + length + .5
    low, high = 1 / (near * near), 1 / (far * far)
    gap = np.log1p(length / near) + (high - low) / 24 - 7 / 960 * (high * high - low * low)
    few = start < SERIES_FROM
    start, length = (np.broadcast_to(part, gap.shape)[few] for part in (start, length))
    gap[few] = digamma(start + length + 1) - digamma(start + 1)
    return gap


def _risk_sum(ahead: np.ndarray, seen: np.ndarray, pixels: np.ndarray, rate: np.ndarray) -> np.ndarray:
    r"""Sum of the selective risks :math:`(E + j r) / (C + j)` over pixels j = 1..n of a stretch of constant rate."""
    return rate * pixels + (ahead - rate * seen) * _harmonic_gap(seen, pixels)


def aurc(errors: np.ndarray, correct: np.ndarray) -> np.ndarray:
    r"""Area under the risk-coverage curve, :math:`\frac1n \sum_{k=1}^n \frac{\mathrm{errors\ in\ first\ k}}{k}`.

    Geifman et al., "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers", ICLR 2019. 0 is perfect; a score
    that ranks by chance has the error rate.

    Examples:
        >>> round(float(aurc(errors=[1, 0], correct=[0, 3])), 4)  # error rates 0, 0, 0 and 1/4 as pixels are taken in
        0.0625
    """
    here, pixels, ahead, seen = _kept(errors, correct)
    return ratio(_risk_sum(ahead, seen, pixels, ratio(here, pixels, 0)).sum(-1), pixels.sum(-1))


def aurc_bound(errors: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Largest error of :func:`aurc` that ties within bins may hide."""
    here, pixels, ahead, seen = _kept(errors, correct)
    right = pixels - here
    mixed = here * right > 0
    value = _risk_sum(ahead, seen, pixels, ratio(here, pixels, 0))
    best = _risk_sum(ahead, seen, right, 0.) + _risk_sum(ahead, seen + right, here, 1.)
    worst = _risk_sum(ahead, seen, here, 1.) + _risk_sum(ahead + here, seen + here, right, 0.)
    gaps = (np.where(mixed, gap, 0).sum(-1) for gap in (value - best, worst - value))
    return ratio(np.maximum(*gaps), pixels.sum(-1))


def augrc(errors: np.ndarray, correct: np.ndarray) -> np.ndarray:
    r"""Area under the generalized risk-coverage curve: the share of all pixels that are wrong and kept, averaged over coverages.

    Traub et al., "Overcoming Common Flaws in the Evaluation of Selective Classification Systems", NeurIPS 2024. With the error rate
    e it equals :math:`(1 - \mathrm{AUROC})\, e (1 - e) + e^2 / 2`, so that, other than in :func:`aurc`, no pixel weighs more for
    being among the most certain ones. :math:`e^2 / 2` is perfect, e / 2 is chance.

    Examples:
        >>> float(augrc(errors=[1, 0], correct=[0, 3]))  # the one wrong pixel of four comes last: (1/4)² / 2
        0.03125
        >>> float(augrc(errors=[0, 1], correct=[3, 0]))  # and first: 1/4 * 3/4 + 1/32
        0.21875
    """
    rate = _error_rate(errors, correct)
    misplaced = np.where(rate * (1 - rate) > 0, 1 - auroc(errors, correct), 0)
    return misplaced * rate * (1 - rate) + rate**2 / 2


def augrc_bound(errors: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Largest error of :func:`augrc` that ties within bins may hide."""
    rate = _error_rate(errors, correct)
    return np.where(rate * (1 - rate) > 0, auroc_bound(errors, correct), 0) * rate * (1 - rate)


def _error_rate(errors: np.ndarray, correct: np.ndarray) -> np.ndarray:
    wrong, right = (np.asarray(counts, float).sum(-1) for counts in (errors, correct))
    return ratio(wrong, wrong + right)


def success_precision(errors: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """AP-success: step-wise average precision of the right pixels, ranked from the most certain on; 1 is perfect.

    Corbière et al., "Addressing Failure Prediction by Learning Model Confidence", NeurIPS 2019. AP-error is the
    :func:`~mmseg_uncertainty.functional.ranking.average_precision` of the wrong pixels, from the most uncertain on.

    Examples:
        >>> round(float(success_precision(errors=[0, 1], correct=[1, 2])), 4)  # two of three at first, then three of four
        0.6944
    """
    return average_precision(*_most_certain_first(correct, errors))


def success_precision_bound(errors: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Largest error of :func:`success_precision` that ties within bins may hide."""
    return average_precision_bound(*_most_certain_first(correct, errors))


def _most_certain_first(*counts: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(part)[..., ::-1] for part in counts)


def _risk_at(errors: np.ndarray, correct: np.ndarray, coverage: float) -> tuple[np.ndarray, ...]:
    here, pixels, ahead, seen = _kept(errors, correct)
    wanted = np.maximum(np.ceil(coverage * pixels.sum(-1, keepdims=True)), 1)
    index = np.minimum((seen + pixels < wanted).sum(-1, keepdims=True), pixels.shape[-1] - 1)
    here, pixels, ahead, seen = (np.take_along_axis(part, index, -1)[..., 0] for part in (here, pixels, ahead, seen))
    return here, pixels, ahead, wanted[..., 0] - seen, wanted[..., 0]


def risk_at_coverage(errors: np.ndarray, correct: np.ndarray, coverage: float) -> np.ndarray:
    """Error rate among the most certain share ``coverage`` in (0, 1] of the pixels.

    Examples:
        >>> float(risk_at_coverage(errors=[1, 0], correct=[0, 3], coverage=0.75))
        0.0
        >>> float(risk_at_coverage(errors=[1, 0], correct=[0, 3], coverage=1.0))
        0.25
    """
    if not np.shape(errors)[-1]:
        return np.full(np.shape(errors)[:-1], np.nan)
    here, pixels, ahead, taken, wanted = _risk_at(errors, correct, coverage)
    return np.where(pixels > 0, (ahead + taken * ratio(here, pixels, 0)) / wanted, np.nan)


def risk_at_coverage_bound(errors: np.ndarray, correct: np.ndarray, coverage: float) -> np.ndarray:
    """Largest error of :func:`risk_at_coverage` that ties in its last bin may hide."""
    if not np.shape(errors)[-1]:
        return np.full(np.shape(errors)[:-1], np.nan)
    here, pixels, _, taken, wanted = _risk_at(errors, correct, coverage)
    expected = taken * ratio(here, pixels, 0)
    most, fewest = np.minimum(taken, here), np.maximum(taken - (pixels - here), 0)
    return np.maximum(most - expected, expected - fewest) / wanted


def coverage_at_risk(errors: np.ndarray, correct: np.ndarray, risk: float) -> np.ndarray:
    """Largest share of pixels that a threshold keeps at an error rate of at most ``risk``; 0 if none does.

    Examples:
        >>> float(coverage_at_risk(errors=[1, 0], correct=[0, 3], risk=0.1))
        0.75
    """
    here, pixels, ahead, seen = _kept(errors, correct)
    allowed = (ahead + here) <= risk * (seen + pixels)
    return ratio(np.where(allowed, seen + pixels, 0).max(-1, initial=0), pixels.sum(-1))


def coverage_at_risk_bound(errors: np.ndarray, correct: np.ndarray, risk: float) -> np.ndarray:
    """Largest error of :func:`coverage_at_risk`: every bin's correct pixels ahead of its errors."""
    here, pixels, ahead, seen = _kept(errors, correct)
    right = pixels - here
    allowed = ahead <= risk * (seen + right)
    extra = np.clip(ratio(risk * (seen + right) - ahead, 1 - risk, np.inf), 0, here) if risk < 1 else here
    whole = np.floor(extra * (1 + ROUNDING) + ROUNDING)
    furthest = np.where(allowed, seen + right + whole, 0).max(-1, initial=0)
    return np.maximum(ratio(furthest, pixels.sum(-1)) - coverage_at_risk(errors, correct, risk), 0)


def prediction_rejection_ratio(errors: np.ndarray, correct: np.ndarray) -> np.ndarray:
    r"""Prediction rejection ratio in percent: the share that is reached of the oracle's gain over random rejection.

    Malinin et al., "Incorporating Uncertainty into Deep Learning for Spoken Language Assessment", ACL 2017. With areas
    :math:`e/2` (random) and :math:`e^2/2` (oracle) it equals :math:`100 (2\,\mathrm{AUROC} - 1)`; 100 is perfect, 0 is
    chance.

    Examples:
        >>> float(prediction_rejection_ratio(errors=np.array([1, 0]), correct=np.array([0, 3])))  # errors go first
        100.0
    """
    return 100 * (2 * auroc(errors, correct) - 1)


def prediction_rejection_ratio_bound(errors: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Largest error of :func:`prediction_rejection_ratio` that ties within bins may hide, in percent points."""
    return 200 * auroc_bound(errors, correct)


def _published_areas(errors: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, ...]:
    """Areas below the curves of the model, of random rejection and of the oracle, as released."""
    here, pixels, ahead, _ = _kept(errors, correct)
    total = pixels.sum(-1)
    rate = ratio(here.sum(-1), total)
    first = np.take_along_axis(ratio(here, pixels, 0), (pixels > 0).argmax(-1)[..., None], -1)[..., 0]
    running = ratio((pixels * ahead + ratio(here, pixels, 0) * pixels * (pixels + 1) / 2).sum(-1), total)
    model = running - (ratio(first, total) + rate) / 2
    random = rate * (total + 1) / 2 - (rate + ratio(rate, total)) / 2
    reach = total * rate / 100
    steps = np.floor(reach)
    oracle = rate * (steps - ratio(steps * (steps - 1) / 2, reach, 0)) - np.where(steps > 0, rate, 0) / 2
    return model, random, oracle


def published_rejection_ratio(errors: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Prediction rejection ratio in percent with the unit slip of the released RELIS code, for comparison only.

    The oracle line there reaches zero at a rejected share of e / 100 instead of e, which scales the ratio by about
    (1 - e) / (1 - e / 100). Curves are sampled at 1/n, 2/n, ..., 1 and integrated by the trapezoid rule.
    """
    model, random, oracle = _published_areas(errors, correct)
    return 100 * ratio(random - model, random - oracle)


def published_rejection_ratio_bound(errors: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Largest error of :func:`published_rejection_ratio` that ties within bins may hide, in percent points.

    With h errors among n pixels of a bin the running sum of errors moves by at most h (n - h) / 2; the first pixel is right
    or wrong.
    """
    here, pixels, _, _ = _kept(errors, correct)
    _, random, oracle = _published_areas(errors, correct)
    hidden = ratio((here * (pixels - here)).sum(-1) / 2 + .5, pixels.sum(-1))
    return 100 * ratio(hidden, np.abs(random - oracle))

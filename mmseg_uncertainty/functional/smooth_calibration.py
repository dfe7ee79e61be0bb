r"""Smooth ECE: a calibration error without bins, which small changes of the confidences change little.

Błasiok and Nakkiran, "Smooth ECE: Principled Reliability Diagrams via Kernel Smoothing", ICLR 2024. The residuals y - f are smoothed
along the confidence f by a Gaussian that is reflected at 0 and 1,

.. math::
    \mathrm{smECE}_\sigma = \int_0^1 \left| \mathbb E\left[(y - f) K_\sigma(t, f)\right] \right| dt,

and the width is the error itself: :math:`\mathrm{smECE} = \mathrm{smECE}_\sigma` for the one :math:`\sigma` that equals it. The
reflected Gaussian multiplies the k-th cosine by :math:`e^{-(\pi k \sigma)^2 / 2}`, so that smoothing is two cosine transforms.
"""
from __future__ import annotations

import numpy as np
from scipy.fft import dct, idct

from .calibration_error import FINE_STEP, ROUNDING, ReliabilitySums

GRID = 1 << 14
HALVINGS = 40
# Integrals of the absolute first and second derivative of a standard normal density.
SLOPE, CURVE = (2 / np.pi)**.5, 4 * np.exp(-.5) / (2 * np.pi)**.5


def _masses(sums: ReliabilitySums) -> np.ndarray:
    """Mean residual on a grid of confidences, each bin shared between its two neighbours."""
    used = sums.count > 0
    total, count = sums.count.sum(), sums.count[used]
    place = np.clip(sums.confidence_sum[used] / count * GRID - .5, 0, GRID - 1)
    low = np.minimum(place.astype(np.int64), GRID - 2)
    residual, share = -sums.gap[used] / total, place - low
    return (np.bincount(low, residual * (1 - share), GRID) + np.bincount(low + 1, residual * share, GRID))


def _smoothed(cosines: np.ndarray, width: float) -> float:
    return float(np.abs(idct(cosines * np.exp(-.5 * (np.pi * np.arange(GRID) * width)**2))).sum())


def smooth_calibration_error(sums: ReliabilitySums) -> float:
    """Smooth ECE in [0, 1]; NaN without pixels.

    Args:
        sums: Fine bins in ascending order of confidence, shape (B,).

    Examples:
        >>> from mmseg_uncertainty.functional.calibration_error import sorted_sums
        >>> sums = sorted_sums(np.full(4, .5), correct=np.array([True, False, True, False]))
        >>> round(smooth_calibration_error(sums), 6)
        0.0
        >>> sums = sorted_sums(np.full(4, .75), correct=np.array([True, False, True, False]))
        >>> round(smooth_calibration_error(sums), 4)  # all residuals have one sign, which no width changes
        0.25
    """
    if not sums.count.sum():
        return float('nan')
    cosines = dct(_masses(sums))
    low, high = 0., 1.
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        # Wider kernels never find more.
        low, high = (middle, high) if _smoothed(cosines, middle) > middle else (low, middle)
    return high


def smooth_calibration_bound(sums: ReliabilitySums) -> float:
    """Largest error of :func:`smooth_calibration_error` that places within fine bins and on the grid may hide.

    A residual moved by d changes the integral by at most :math:`\\sqrt{2 / \\pi}\\, d / \\sigma` of itself, and one shared between
    grid points h apart by at most :math:`h^2` times the curvature. The width that equals the error is then sought for the highest
    and for the lowest integral that this allows.
    """
    value = smooth_calibration_error(sums)
    if np.isnan(value):
        return value
    used = sums.count > 0
    count, right, confidence = sums.count[used], sums.correct[used], sums.confidence_sum[used]
    doubt = 1 - confidence / count
    residual = ((count - right) * (1 - doubt) + right * doubt) * (1 + FINE_STEP)
    moved = float((residual * doubt).sum() * FINE_STEP / count.sum()) + ROUNDING
    # The two outermost half cells of the grid are moved to its first and last point.
    shared = float(residual.sum() / count.sum()) / GRID**2

    def doubtful(width: float) -> float:
        return (SLOPE * (moved + shared * GRID) / width + CURVE * shared / width**2) if width > 0 else 1.

    cosines = dct(_masses(sums))
    low, high = value, 1.
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _smoothed(cosines, middle) + doubtful(middle) > middle else (low, middle)
    below = 0.
    while below < value and doubtful(value - below) > below:
        below = max(doubtful(value - below), below * 1.05)
    return max(high - value, min(below, value)) + ROUNDING

r"""Temperature scaling: divide logits by the temperature that fits the labels best.

The mean negative log-likelihood of :math:`\mathrm{softmax}(\beta z)` is convex in the inverse temperature :math:`\beta`. Its
slope is summed over all pixels at a few nodes; between nodes it is so smooth that a cubic through slopes and curvatures finds
its zero. Nodes an octave apart place nodes a few percent apart, and these give the temperature to about 1e-8.
"""
from __future__ import annotations

import math

import numpy as np
import torch
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import brentq
from torch import Tensor

from .calibration_error import ReliabilitySums, expected_calibration_error, reliability_sums

CHUNK = 1 << 15
CACHED = 1 << 12
COARSE_NODES = np.exp2(np.arange(-5, 6.))
FINE_STEPS = np.exp(np.linspace(-0.1, 0.1, 5))
PUBLISHED_GRID = np.arange(0.5, 10, 0.01)


def likelihood_slopes(logits: Tensor,
                      labels: Tensor,
                      inverse_temperatures: np.ndarray,
                      groups: Tensor | None = None,
                      num_groups: int = 1) -> np.ndarray:
    r"""Sums of the first two derivatives of the negative log-likelihood in the inverse temperature.

    .. math:: \frac{d}{d\beta} = \sum_i E_\beta[z_i] - z_{i y_i}, \qquad \frac{d^2}{d\beta^2} = \sum_i \mathrm{Var}_\beta[z_i]

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.

    Terms are computed in the precision of the logits, in blocks that fit the cache, and summed in double precision.

    Args:
        logits: Class logits, shape (K, n), float32 or float64; half precision counts as float32.
        labels: Class of each pixel, shape (n,), in [0, K); pixels with larger labels are left out.
        inverse_temperatures: Nodes :math:`\beta > 0`, shape (M,).
        groups: Group of each pixel, shape (n,), in [0, num_groups); ``None`` puts all into group 0.
        num_groups: Number of groups G.

    Returns:
        First and second derivative, shape (G, M, 2), float64.
    """
    sums = np.zeros((num_groups, len(inverse_temperatures), 2))
    for start in range(0, labels.numel(), CACHED):
        part = slice(start, start + CACHED)
        values, target = logits[:, part], labels[part].long()
        members = None if groups is None else groups[part].long()
        kept = target < len(logits)
        if not kept.all():
            values, target, members = values[:, kept], target[kept], None if members is None else members[kept]
        values = values if values.dtype == torch.float64 else values.float()
        values = values - values.amax(dim=0)
        true_value = values.gather(0, target[None])[0]
        weights = torch.empty_like(values)
        for index, beta in enumerate(inverse_temperatures):
            total = torch.mul(values, float(beta), out=weights).exp_().sum(dim=0)
            mean = weights.mul_(values).sum(dim=0) / total
            variance = weights.mul_(values).sum(dim=0) / total - mean.square()
            sums[:, index, 0] += _per_group(mean - true_value, members, num_groups)
            sums[:, index, 1] += _per_group(variance, members, num_groups)
    return sums


def _per_group(values: Tensor, members: Tensor | None, num_groups: int) -> np.ndarray:
    if members is None:
        return values.sum(dtype=torch.float64)[None].cpu().numpy()
    return torch.bincount(members, weights=values.double(), minlength=num_groups).cpu().numpy()


def likeliest_inverse_temperature(nodes: np.ndarray, slopes: np.ndarray) -> float:
    """Inverse temperature at which the likelihood is largest.

    Args:
        nodes: Inverse temperatures in ascending order, shape (M,).
        slopes: First and second derivatives at the nodes, shape (M, 2).

    Returns:
        The zero of the slope. Where that lies beyond the nodes, one Newton step from the last node, at most the distance to
        its neighbour. NaN without pixels.
    """
    slope, position = slopes[:, 0], np.log(nodes)
    curvature = slopes[:, 1] * nodes
    if not slopes.any():
        return math.nan
    if slope[0] > 0 or slope[-1] <= 0:
        end, neighbour = (0, 1) if slope[0] > 0 else (-1, -2)
        limit = abs(position[end] - position[neighbour])
        step = -slope[end] / curvature[end] if curvature[end] > 0 else -np.sign(slope[end]) * limit
        return float(np.exp(position[end] + np.clip(step, -limit, limit)))
    left = int(np.flatnonzero(slope <= 0)[-1])
    curve = CubicHermiteSpline(position[left:left + 2], slope[left:left + 2], curvature[left:left + 2])
    return float(np.exp(brentq(curve, position[left], position[left + 1], xtol=1e-14)))


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Temperature of the largest likelihood, from pixels held in memory.

    Args:
        logits: Class logits of labelled pixels, shape (K, n).
        labels: Class of each pixel, shape (n,), in [0, K).
    """
    nodes = COARSE_NODES
    for _ in range(2):
        inverse = likeliest_inverse_temperature(nodes, likelihood_slopes(logits, labels, nodes)[0])
        nodes = inverse * FINE_STEPS
    return 1 / inverse


def reliability_by_temperature(logits: Tensor,
                               labels: Tensor,
                               temperatures: np.ndarray = PUBLISHED_GRID,
                               bins: int = 15) -> ReliabilitySums:
    """Reliability of the arg-max at every candidate temperature, in double precision.

    Args:
        logits: Class logits of labelled pixels, shape (K, n).
        labels: Class of each pixel, shape (n,).
        temperatures: Candidates, shape (M,).
        bins: Number of equal-width bins.

    Returns:
        Sums of shape (M, bins).
    """
    sums = np.zeros((3, len(temperatures), bins), np.int64)
    for start in range(0, labels.numel(), CHUNK):
        part = slice(start, start + CHUNK)
        values = logits[:, part].double()
        correct = (values.argmax(dim=0) == labels[part]).cpu().numpy()
        values = values - values.amax(dim=0)
        for index, temperature in enumerate(temperatures):
            confidence = (values / float(temperature)).exp_().sum(dim=0).reciprocal_().clamp_(max=1).cpu().numpy()
            added = reliability_sums(confidence, correct, bins)
            sums[:, index] += [added.count, added.correct, added.confidence]
    return ReliabilitySums(*sums)


def best_calibrated(temperatures: np.ndarray, candidates: ReliabilitySums, unscaled: ReliabilitySums) -> float:
    """Candidate of the smallest expected calibration error, as in the released RELIS code.

    Args:
        temperatures: Candidates, shape (M,).
        candidates: Their reliability, shape (M, bins).
        unscaled: Reliability at temperature 1, shape (bins,).

    Returns:
        1 where no candidate has a strictly smaller error, else the first of the best candidates.
    """
    errors = expected_calibration_error(candidates)
    best = int(errors.argmin())
    return float(temperatures[best]) if errors[best] < expected_calibration_error(unscaled) else 1.


def cluster_weights(features: Tensor, centroids: Tensor, soft: bool = False) -> Tensor:
    """How much each cluster counts for an image.

    Args:
        features: One vector per image, shape (N, C).
        centroids: Shape (G, C).
        soft: Weights proportional to 1 / (distance + 1e-6), instead of 1 for the nearest centroid.

    Returns:
        Shape (N, G), float64, rows sum to 1.
    """
    distance = torch.linalg.vector_norm(features.double()[:, None] - centroids.double(), dim=-1)
    if soft:
        weights = (distance + 1e-6).reciprocal()
        return weights / weights.sum(dim=1, keepdim=True)
    return torch.nn.functional.one_hot(distance.argmin(dim=1), len(centroids)).double()


def keep_predictions(calibrated: Tensor, logits: Tensor) -> Tensor:
    """Give the arg-max of ``logits`` the largest calibrated logit wherever another class has it.

    The two classes exchange their values, so that the largest probability stays what the calibrator made it; where
    rounding made them equal, the predicted class gets the next larger number.

    Args:
        calibrated: Shape (N, K, \\*).
        logits: Shape (N, K, \\*).
    """
    winner, leader = logits.argmax(dim=1, keepdim=True), calibrated.argmax(dim=1, keepdim=True)
    changed = winner != leader
    if not changed.any():
        return calibrated
    top, own = calibrated.gather(1, leader), calibrated.gather(1, winner)
    above = torch.nextafter(top, top.new_tensor(torch.inf))
    exchanged = calibrated.scatter(1, leader, torch.where(changed, own, top))
    return exchanged.scatter(1, winner, torch.where(changed, above, top))

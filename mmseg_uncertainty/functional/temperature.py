r"""Temperature scaling: divide logits by the temperature that fits the labels best.

The mean negative log-likelihood of :math:`\mathrm{softmax}(\beta z)` is convex in the inverse temperature :math:`\beta`. Its
slope is summed over all pixels at a few nodes; between nodes it is so smooth that a cubic through slopes and curvatures finds
its zero. Nodes an octave apart place nodes a few percent apart, and these give the temperature to about 1e-8. The limits 0
and infinity are nodes too: only the signs of the slope there tell whether the likelihood has a maximum at all.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
import torch
from torch import Tensor

from .calibration_error import ReliabilitySums, expected_calibration_error, reliability_sums

CHUNK = 1 << 15
CACHED = 1 << 12
COARSE_NODES = np.r_[0., np.exp2(np.arange(-10, 11.)), np.inf]
FINE_STEP = 0.05
FINE_STEPS = np.exp(FINE_STEP * np.arange(-2, 3.))
OUTWARD_STEPS = np.exp2([0.25, 1., 3., 8., 20.])
MAX_LOOKS = 12
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
        inverse_temperatures: Nodes :math:`\beta`, shape (M,), in [0, infinity]; the second derivative at infinity is given
            as 0.
        groups: Group of each pixel, shape (n,), in [0, num_groups); ``None`` puts all into group 0.
        num_groups: Number of groups G.

    Returns:
        First and second derivative, shape (G, M, 2), float64.

    Examples:
        >>> logits, labels = torch.tensor([[1.], [0.]]), torch.tensor([0])
        >>> likelihood_slopes(logits, labels, np.array([0.])).tolist()  # 1/2 - 1, and the variance of 0 and 1
        [[[-0.5, 0.25]]]
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
            mean, variance = _moments(values, float(beta), weights)
            sums[:, index, 0] += _per_group(mean - true_value, members, num_groups)
            sums[:, index, 1] += _per_group(variance, members, num_groups)
    return sums


def _moments(values: Tensor, beta: float, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance under softmax(beta values) of values (K, n) whose largest is 0; ``weights`` is a scratch pad."""
    if math.isinf(beta):
        return (torch.zeros_like(values[0]), ) * 2
    if beta == 0:
        mean = values.mean(dim=0)
        return mean, torch.mul(values, values, out=weights).mean(dim=0) - mean.square()
    total = torch.mul(values, beta, out=weights).exp_().sum(dim=0)
    mean = weights.mul_(values).sum(dim=0) / total
    return mean, weights.mul_(values).sum(dim=0) / total - mean.square()


def _per_group(values: Tensor, members: Tensor | None, num_groups: int) -> np.ndarray:
    if members is None:
        return values.sum(dtype=torch.float64)[None].cpu().numpy()
    return torch.bincount(members, weights=values.double(), minlength=num_groups).cpu().numpy()


@dataclass(frozen=True)
class SlopeCurve:
    """What is known of the slope of the negative log-likelihood, which rises with the inverse temperature.

    Args:
        nodes: Inverse temperatures, shape (M,), ascending, from 0 to infinity.
        slopes: First and second derivatives there, summed over the same pixels, shape (M, 2).
    """

    nodes: np.ndarray
    slopes: np.ndarray

    def joined(self, nodes: np.ndarray, slopes: np.ndarray) -> SlopeCurve:
        """The curve with more nodes; where a node is known already the new sums count."""
        known = ~np.isin(self.nodes, nodes)
        merged = np.concatenate([self.nodes[known], nodes])
        order = np.argsort(merged)
        return SlopeCurve(merged[order], np.concatenate([self.slopes[known], slopes])[order])

    def inverse_temperature(self) -> float:
        """Inverse temperature at which the likelihood is largest.

        Returns:
            The zero of the slope; beyond the finite nodes, one Newton step from the last of them, at most an octave. 0 or
            infinity where the likelihood has no maximum and grows towards these; NaN without pixels.
        """
        slope = self.slopes[:, 0]
        if not self.slopes.any():
            return math.nan
        if slope[0] >= 0 and self.nodes[0] == 0:
            return 0.0
        if slope[-1] <= 0 and np.isinf(self.nodes[-1]):
            return math.inf
        left = self._left()
        if self._is_open(left):
            return self._newton_step(left if left >= 0 and 0 < self.nodes[left] else left + 1)
        pair = slice(left, left + 2)
        position = np.log(self.nodes[pair])
        curve = scipy.interpolate.CubicHermiteSpline(position, slope[pair], self.slopes[pair, 1] * self.nodes[pair])
        return float(np.exp(scipy.optimize.brentq(curve, *position, xtol=1e-14)))

    def settled(self) -> bool:
        """Whether nodes a fine step apart enclose the zero, or it is known that there is none."""
        inverse = self.inverse_temperature()
        if not 0 < inverse < math.inf:
            return True
        left = self._left()
        return not self._is_open(left) and self.nodes[left + 1] <= self.nodes[left] * math.exp(1.01 * FINE_STEP)

    def fine_nodes(self) -> np.ndarray:
        """Nodes a fine step apart around the zero, and both limits."""
        finite = self.nodes[(0 < self.nodes) & np.isfinite(self.nodes)]
        inverse = self.inverse_temperature()
        inverse = 1.0 if math.isnan(inverse) else np.clip(inverse, finite[0], finite[-1])
        return np.r_[0.0, inverse * FINE_STEPS, np.inf]

    def next_nodes(self) -> np.ndarray:
        """More nodes: ever farther out where no two enclose the zero, else between those that do."""
        nodes, left = self.fine_nodes(), self._left()
        if self._is_open(left):
            upwards = left >= 0 and self.nodes[left] > 0
            return np.unique(np.r_[nodes, nodes[-2] * OUTWARD_STEPS if upwards else nodes[1] / OUTWARD_STEPS])
        below, above = self.nodes[left:left + 2]
        nodes = np.r_[nodes, np.sqrt(below * nodes[3]), np.sqrt(above * nodes[3])]
        return np.r_[0.0, np.unique(nodes[(below < nodes) & (nodes < above)]), np.inf]

    def _left(self) -> int:
        """Last node at which the slope is not positive, -1 if there is none."""
        return int(np.flatnonzero(np.r_[True, self.slopes[:, 0] <= 0])[-1]) - 1

    def _is_open(self, left: int) -> bool:
        """Whether no two finite, positive nodes enclose the zero."""
        return left < 0 or left + 1 >= len(self.nodes) or self.nodes[left] == 0 or np.isinf(self.nodes[left + 1])

    def _newton_step(self, end: int) -> float:
        slope, curvature = self.slopes[end, 0], self.slopes[end, 1] * self.nodes[end]
        limit = math.log(2)
        step = -slope / curvature if curvature > 0 else -np.sign(slope) * limit
        return float(self.nodes[end] * np.exp(np.clip(step, -limit, limit)))


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Temperature of the largest likelihood, from pixels held in memory.

    Args:
        logits: Class logits of labelled pixels, shape (K, n).
        labels: Class of each pixel, shape (n,), in [0, K).

    Returns:
        The temperature, of any scale. Where the likelihood has no maximum, infinity if it grows with the temperature and 0
        if it grows against it, as where no prediction is wrong; NaN without pixels.

    Examples:
        >>> logits = torch.tensor([[2.], [0.]]).repeat(1, 4)  # a confidence of 0.88, of which 3 of 4 pixels are right
        >>> temperature = fit_temperature(logits, labels=torch.tensor([0, 0, 0, 1]))
        >>> round(temperature, 4), round(1 / (1 + math.exp(-2 / temperature)), 4)
        (1.8205, 0.75)
    """
    curve = SlopeCurve(COARSE_NODES, likelihood_slopes(logits, labels, COARSE_NODES)[0])
    for _ in range(MAX_LOOKS):
        if curve.settled():
            break
        nodes = curve.next_nodes()
        curve = curve.joined(nodes, likelihood_slopes(logits, labels, nodes)[0])
    inverse = curve.inverse_temperature()
    return math.inf if inverse == 0 else 1 / inverse


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

    Examples:
        >>> logits, labels = torch.tensor([[2.], [0.]]).repeat(1, 4), torch.tensor([0, 0, 0, 1])
        >>> sums = reliability_by_temperature(logits, labels, temperatures=np.array([1.0, 1.8205]))
        >>> expected_calibration_error(sums).round(3).tolist()  # 0.881 - 0.75, and 0.75 - 0.75
        [0.131, 0.0]
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

    Examples:
        >>> logits, labels = torch.tensor([[2.], [0.]]).repeat(1, 4), torch.tensor([0, 0, 0, 1])
        >>> temperatures = np.array([0.5, 1.8205])
        >>> one, both = (reliability_by_temperature(logits, labels, values) for values in (np.array([1.]), temperatures))
        >>> best_calibrated(temperatures, both, one)
        1.8205
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

    Examples:
        >>> centroids = torch.tensor([[0., 0.], [3., 0.]])
        >>> cluster_weights(torch.tensor([[1., 0.]]), centroids).tolist()
        [[1.0, 0.0]]
        >>> cluster_weights(torch.tensor([[1., 0.]]), centroids, soft=True).round(decimals=3).tolist()
        [[0.667, 0.333]]
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

    Examples:
        >>> keep_predictions(torch.tensor([[1., 3.]]), logits=torch.tensor([[2., 0.]])).round()
        tensor([[3., 1.]])
    """
    winner, leader = logits.argmax(dim=1, keepdim=True), calibrated.argmax(dim=1, keepdim=True)
    changed = winner != leader
    if not changed.any():
        return calibrated
    top, own = calibrated.gather(1, leader), calibrated.gather(1, winner)
    above = torch.nextafter(top, top.new_tensor(torch.inf))
    exchanged = calibrated.scatter(1, leader, torch.where(changed, own, top))
    return exchanged.scatter(1, winner, torch.where(changed, above, top))

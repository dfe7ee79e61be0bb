r"""Conformal risk control where further images come from elsewhere: calibration images count by their likelihood ratio.

Tibshirani et al., "Conformal prediction under covariate shift", NeurIPS 2019, for the exchangeability of weighted images;
Angelopoulos et al., "Conformal risk control", ICLR 2024, section 4.1, for losses.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .conformal_losses import StepLoss
from .risk_control import ROUNDING


def effective_sample_size(weights: np.ndarray) -> float:
    r"""How many images of equal weight say as much on average, :math:`(\sum w_i)^2 / \sum w_i^2`.

    Kish, "Survey sampling", 1965.

    Args:
        weights: Shape (n,), at least 0.

    Returns:
        In [1, n]; 0 where all weights are 0 or there are none.

    Examples:
        >>> effective_sample_size([1, 1, 1, 1]), effective_sample_size([1, 0, 0, 0])
        (4.0, 1.0)
    """
    weights = np.asarray(weights, dtype=np.float64)
    squares = float((weights**2).sum())
    return float(weights.sum())**2 / squares if squares else 0.0


@dataclass(frozen=True)
class WeightedRisk:
    r"""Thresholds that promise a risk under another distribution of the images, for any weight of the further image.

    For a further image of weight w it is the largest threshold :math:`q = 1 - \lambda` with

    .. math:: \frac{\sum_i w_i L_i(q) + w B}{\sum_i w_i + w} \le \alpha.

    Where the weights are proportional to the likelihood ratio of further to calibration images and labels depend on the image
    as before, the expected loss of a further image is at most :math:`\alpha`. With other weights it is at most
    :math:`\alpha + B\,TV`, TV being the distance in total variation between the further images and the calibration
    distribution tilted by the weights.

    Args:
        conformity: Thresholds above which a row is lost, shape (M,), float64, ascending.
        lost: Weighted loss of the first rows, shape (M + 1,), starting with 0.
        total: :math:`\sum w_i` over images with a defined loss.
        effective: Effective number of these images.
        num_images: Their number.
        alpha: Level, in (0, 1).
        bound: Largest loss B of an image.

    Examples:
        >>> loss = StepLoss(np.arange(9), np.arange(1, 10) / 10, weight=np.ones(9), defined=np.ones(9, bool))
        >>> risk = WeightedRisk.of(loss, weights=np.ones(9), alpha=0.2)
        >>> risk.thresholds([1.0, 0.5, 3.0]).tolist()  # as unweighted; a lighter image; one too heavy for any promise
        [0.2, 0.2, 0.0]
        >>> WeightedRisk.of(loss, weights=np.arange(9.0), alpha=0.2).thresholds(1.0).tolist()  # hard images are rare
        0.5
    """

    conformity: np.ndarray
    lost: np.ndarray
    total: float
    effective: float
    num_images: int
    alpha: float
    bound: float = 1.0

    @classmethod
    def of(cls, loss: StepLoss, weights: np.ndarray, alpha: float) -> WeightedRisk:
        """Weigh the losses of n images.

        Args:
            loss: Losses of n images.
            weights: Shape (n,), finite and at least 0; a common factor of them and of the weight of the further image is free.
            alpha: Level.

        Raises:
            ValueError: The level or a weight is out of range.
        """
        weights = np.asarray(weights, dtype=np.float64)
        if not 0 < alpha < 1:
            raise ValueError(f'WeightedRisk: alpha={alpha} must lie strictly between 0 and 1.')
        if weights.shape != loss.defined.shape or not np.isfinite(weights).all() or (weights < 0).any():
            raise ValueError(f'WeightedRisk: weights of shape {weights.shape} for {len(loss.defined)} images; give one per image, '
                             'finite and at least 0.')
        counted = weights * loss.defined
        lost = np.concatenate([[0.0], np.cumsum(loss.weight * counted[loss.image])])
        return cls(loss.conformity, lost, float(counted.sum()), effective_sample_size(counted), int(loss.defined.sum()), alpha,
                   loss.bound)

    def thresholds(self, test_weights: float | np.ndarray) -> np.ndarray:
        """Threshold for further images of some weights, same shape; 0, the set of all classes, where none is low enough."""
        test_weights = np.asarray(test_weights, dtype=np.float64)
        allowed = self.alpha * self.total - (self.bound - self.alpha) * test_weights
        slack = ROUNDING * (self.total + test_weights)
        rows = np.searchsorted(self.lost, np.maximum(allowed, 0) + slack, side='right') - 1
        found = np.append(self.conformity, 1.0)[rows]
        return np.where(allowed >= -slack, found, 0.0)

    @property
    def largest_test_weight(self) -> float:
        r"""Weight above which a further image has the set of all classes, :math:`\alpha \sum w_i / (B - \alpha)`."""
        return self.alpha * self.total / (self.bound - self.alpha) if self.bound > self.alpha else math.inf

    def images_needed(self, test_weight: float) -> int:
        """How many images like these a promise for a further image of this weight needs at least.

        Args:
            test_weight: Weight of the further image.
        """
        if not self.total:
            return 0
        ratio = (self.bound - self.alpha) * test_weight / (self.alpha * self.total / self.num_images)
        return max(math.ceil(ratio - 1e-9), 1)

    def risk(self, threshold: float) -> float:
        """Weighted mean loss of the calibration images at a threshold; NaN without any weight."""
        row = int(np.searchsorted(self.conformity, threshold, side='left'))
        return float(self.lost[row]) / self.total if self.total else math.nan


def total_variation(first: np.ndarray, second: np.ndarray) -> float:
    r"""Distance in total variation of two distributions on the same points, :math:`\frac12 \sum |p_i - q_i|`, each normalized.

    Args:
        first: Weights of the points, shape (n,), at least 0.
        second: Likewise.

    Returns:
        In [0, 1].

    Examples:
        >>> total_variation([1, 1], [1, 3])
        0.25
    """
    first, second = (np.asarray(weights, np.float64) / np.sum(weights) for weights in (first, second))
    return float(np.abs(first - second).sum() / 2)

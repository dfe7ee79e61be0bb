"""A smooth curve from confidence to the share of right predictions."""
from __future__ import annotations

import numpy as np
import torch
from mmseg.registry import MODELS
import scipy
from torch import Tensor

from mmseg_uncertainty.functional.calibration_maps import set_top_log_odds, top_log_odds
from mmseg_uncertainty.structures import FrozenOutputs, MethodInfo

from .sampled_calibrator import SampledCalibrator, likelihood_loss

POINTS = 513


@MODELS.register_module()
class SplineCalibration(SampledCalibrator):
    """Give the predicted class the share of right predictions among pixels of its confidence; others keep their proportions.

    A natural cubic spline follows the number of right predictions among the t least confident of a sample, as a function of t;
    its slope is the calibrated confidence at that rank. Predictions stay. Where the sample would be less likely than before,
    the calibrator changes nothing.

    Args:
        num_classes: Number of classes K.
        knots: Knots of the spline, at least 3.
        options: See :class:`SampledCalibrator`.

    Raises:
        ValueError: There are fewer than three knots.
    """

    info = MethodInfo(
        'Calibration of Neural Networks using Splines', 'Gupta et al.', 2021, needs={'logits', 'labels'}, fitted=True,
        venue='ICLR', url='https://arxiv.org/abs/2006.12800')

    def __init__(self, num_classes: int, knots: int = 7, **options) -> None:
        super().__init__(num_classes, **options)
        if knots < 3:
            raise ValueError(f'SplineCalibration: knots={knots} must be at least 3.')
        self.knots = knots
        self.search = torch.searchsorted
        self.register_buffer('given', torch.arange(POINTS, dtype=torch.float64))
        self.register_buffer('calibrated', torch.arange(POINTS, dtype=torch.float64))
        self.register_buffer('changes', torch.tensor(False))

    def calibrate(self, outputs: FrozenOutputs, metas: list[dict]) -> Tensor:
        """Follow the curve; see :meth:`Calibrator.calibrate`."""
        if not self.changes:
            return outputs.logits
        return set_top_log_odds(outputs.logits, self._follow(top_log_odds(outputs.logits)))

    def _follow(self, log_odds: Tensor) -> Tensor:
        """Calibrated log-odds, linear between points and parallel to the diagonal beyond them."""
        given, calibrated = self.given.to(log_odds), self.calibrated.to(log_odds)
        inside = log_odds.clamp(given[0], given[-1])
        right = self.search(given, inside.contiguous()).clamp(1, POINTS - 1)
        low, high = given[right - 1], given[right]
        share = (inside - low) / (high - low).clamp_min(torch.finfo(given.dtype).tiny)
        return calibrated[right - 1] + share * (calibrated[right] - calibrated[right - 1]) + log_odds - inside

    def fit_sample(self, logits: Tensor, labels: Tensor) -> str:
        """Write the curve; see :meth:`SampledCalibrator.fit_sample`."""
        log_odds, order = top_log_odds(logits).sort()
        slope = cumulative_slope((logits.argmax(dim=1) == labels)[order].double().numpy(), self.knots, POINTS)
        least, most = 1 / self.num_classes, 1 - 0.5 / len(labels)
        confidence = np.clip(slope, least, most)
        places = np.linspace(0, len(labels) - 1, POINTS).round().astype(np.int64)
        self.given.copy_(log_odds[torch.from_numpy(places)])
        self.calibrated.copy_(torch.from_numpy(np.log(confidence) - np.log1p(-confidence)))
        changed = set_top_log_odds(logits, self._follow(top_log_odds(logits)))
        before, after = likelihood_loss(logits, labels), likelihood_loss(changed, labels)
        self.changes.fill_(after < before)
        return f'likelihood {before:.5f} nats before, {after:.5f} after' + ('' if after < before else ', so nothing is changed')


def cumulative_slope(right: np.ndarray, knots: int, points: int) -> np.ndarray:
    """Slope of a natural cubic spline through the cumulative mean of ordered values, at equally spaced ranks.

    Args:
        right: Values in order, shape (n,).
        knots: Knots, equally spaced in rank.
        points: Number of ranks.

    Returns:
        Shape (points,).
    """
    ranks, places = np.linspace(0, 1, len(right) + 1), np.linspace(0, 1, knots)
    cumulative = np.r_[0, np.cumsum(right)] / len(right)
    basis = scipy.interpolate.CubicSpline(places, np.eye(knots), bc_type='natural')
    heights, *_ = np.linalg.lstsq(basis(ranks), cumulative, rcond=None)
    return scipy.interpolate.CubicSpline(places, heights, bc_type='natural')(np.linspace(0, 1, points), 1)

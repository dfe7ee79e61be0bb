r"""What late labels say about a stream: bounds of its running risk that hold at all times at once, and thresholds that follow it."""
from __future__ import annotations

import math

import numpy as np

BETS = np.geomspace(0.005, 0.9, 40)
# What a bet of size b costs for each unit of variance: Fan, Grama and Liu, "Exponential inequalities for martingales with
# applications", 2015.
COSTS = -np.log1p(-BETS) - BETS
BISECTIONS = 50


class RunningRisk:
    r"""Time-uniform bounds of the mean risk of a stream, :math:`\bar\mu_t = \frac1t \sum_{i \le t} E[L_i \mid \text{past}]`.

    For losses in [0, 1] and any prediction :math:`\hat L_i` from the past,
    :math:`\exp(b \sum (L_i - \mu_i) - (-\log(1 - b) - b) \sum (L_i - \hat L_i)^2)` is a supermartingale for each b in [0, 1), and so
    is a mean over b. With probability :math:`1 - level` therefore :math:`\bar\mu_t` lies above :attr:`lower` at *all* t, whatever
    the dependence of the frames and however the risk drifts; the same holds for :attr:`upper`. Howard et al., "Time-uniform,
    nonparametric, nonasymptotic confidence sequences", Annals of Statistics 2021, theorem 4; as an alarm, Podkopaev and Ramdas,
    "Tracking the risk of a deployed model and detecting harmful distribution shifts", ICLR 2022.

    Args:
        level: Chance that a bound ever fails, in (0, 1); of each side by itself.

    Examples:
        >>> risk = RunningRisk(level=0.05)
        >>> for _ in range(200):
        ...     risk.add(0.3)
        >>> 0.2 < risk.lower < 0.3 < risk.upper < 0.4
        True
    """

    def __init__(self, level: float) -> None:
        if not 0 < level < 1:
            raise ValueError(f'level={level} must lie between 0 and 1: it is the chance that the bound ever fails, such as 0.01.')
        self.level, self.frames, self.total, self.variance = level, 0, 0.0, 0.0

    def add(self, loss: float) -> None:
        """Count the loss of one more frame.

        Raises:
            ValueError: It does not lie in [0, 1].
        """
        if not 0 <= loss <= 1:
            raise ValueError(f'loss={loss} must lie in [0, 1]; divide losses by their largest value.')
        predicted = (0.5 + self.total) / (1 + self.frames)
        self.variance += (loss - predicted)**2
        self.frames, self.total = self.frames + 1, self.total + loss

    @property
    def mean(self) -> float:
        """Mean loss so far; NaN before the first."""
        return self.total / self.frames if self.frames else math.nan

    @property
    def lower(self) -> float:
        """Lower bound, in [0, 1]."""
        return self._bound(self.total)

    @property
    def upper(self) -> float:
        """Upper bound, in [0, 1]."""
        return 1 - self._bound(self.frames - self.total)

    def _bound(self, total: float) -> float:
        """Largest risk that the bets against it have refuted."""
        low, high = 0.0, 1.0
        if self._log_wealth(total, low) < -math.log(self.level):
            return 0.0
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._log_wealth(total, middle) >= -math.log(self.level) else (low, middle)
        return low

    def _log_wealth(self, total: float, risk: float) -> float:
        return float(np.logaddexp.reduce(BETS * (total - self.frames * risk) - COSTS * self.variance)) - math.log(len(BETS))


def rolling_step(parameter: float | np.ndarray, loss: float | np.ndarray, target: float, rate: float) -> float | np.ndarray:
    r"""Follow a risk with late labels: :math:`\theta_{t + 1} = \theta_t + \gamma (L_t - r)`.

    Feldman et al., "Achieving risk control in online learning settings", TMLR 2023. Where the loss is 0 as soon as
    :math:`\theta \ge \theta_{max}`, the mean loss of T frames is at most
    :math:`r + (\theta_{max} - \theta_1 + \gamma) / (\gamma T)` for *any* sequence of frames, adversarial ones included.
    Nothing is said about a single frame or a short time.

    Args:
        parameter: :math:`\theta_t`, larger is more careful, any shape.
        loss: :math:`L_t` in [0, 1] at this parameter, same shape.
        target: r.
        rate: :math:`\gamma > 0`; large ones follow fast and fluctuate.

    Returns:
        The next parameter.

    Examples:
        >>> round(rolling_step(0.9, loss=0.3, target=0.1, rate=0.05), 4)
        0.91
    """
    return parameter + rate * (loss - target)


def rolling_excess(start: float, largest: float, rate: float, frames: int) -> float:
    """How far the mean loss of :func:`rolling_step` can lie above its target.

    Args:
        start: First parameter.
        largest: Parameter from which on the loss is 0, at least ``start``.
        rate: As in :func:`rolling_step`.
        frames: Number of frames T.

    Returns:
        The excess, positive.

    Examples:
        >>> round(rolling_excess(start=0.5, largest=1, rate=0.1, frames=1000), 4)
        0.006
    """
    return (largest - start + rate) / (rate * frames)

r"""Test martingales: a gambler who starts with 1 bets against p-values being uniform, and gets rich only where they are not.

By Ville's inequality the chance that the wealth *ever* reaches :math:`1 / level` is at most ``level``, for independent uniform
p-values, however long one looks. Where p-values are only conservative (at most u with a probability of at most u, given the past),
the same holds for bets that pay for small p-values alone. Vovk et al., "Algorithmic Learning in a Random World", chapter 8.
"""
from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

SMALLEST_P_VALUE = 1e-300
BOTH_WAYS, SMALL_ONLY = (-1.0, 0.0, 1.0), (-1.0, 0.0)


def alarm_log_wealth(level: float) -> float:
    r"""Logarithm of the wealth :math:`1 / level` at which Ville's inequality allows an alarm.

    Args:
        level: Largest chance of ever raising a false alarm, in (0, 1).

    Raises:
        ValueError: The level is out of range.

    Examples:
        >>> round(alarm_log_wealth(0.01), 4)
        4.6052
    """
    if not 0 < level < 1:
        raise ValueError(f'level={level} must lie between 0 and 1: it is the chance of ever raising a false alarm, such as 0.01.')
    return -math.log(level)


class PowerMixture:
    r"""Mean over :math:`\kappa` of the wealth of gamblers who bet :math:`\kappa p^{\kappa - 1}`; all bets pay for small p-values.

    The mean is over a grid of midpoints in (0, 1), which is a martingale exactly, not up to quadrature.

    Args:
        nodes: Number of gamblers.

    Examples:
        >>> gamblers = PowerMixture()
        >>> round(float(gamblers.bet(0.001)), 2), round(float(gamblers.bet(0.001)), 2)  # log wealth
        (3.03, 6.63)
    """

    def __init__(self, nodes: int = 100) -> None:
        self.powers = (np.arange(nodes) + 0.5) / nodes
        self.frames, self.log_sum = 0, np.zeros(())

    def bet(self, p_values: float | np.ndarray) -> np.ndarray:
        """Log wealth after one more p-value of each stream, which are of any shape, the same in each call."""
        self.frames += 1
        self.log_sum = self.log_sum + np.log(np.maximum(p_values, SMALLEST_P_VALUE))
        logs = self.frames * np.log(self.powers) + (self.powers - 1) * self.log_sum[..., None]
        return np.logaddexp.reduce(logs, axis=-1) - math.log(len(self.powers))

    def state(self) -> dict:
        """What continues the bets, as plain numbers."""
        return dict(frames=self.frames, log_sum=self.log_sum.tolist())

    def restore(self, state: dict) -> None:
        """Continue from :meth:`state`."""
        self.frames, self.log_sum = int(state['frames']), np.asarray(state['log_sum'], np.float64)


class SimpleJumper:
    r"""Gamblers who bet :math:`1 + \epsilon (p - 1/2)` and exchange a share of their wealth before each bet.

    A share ``jump`` of all wealth is divided equally first, so that the bets follow a stream that changes late. Vovk et al.,
    "Retrain or not retrain: conformal test martingales for change-point detection", COPA 2021.

    Args:
        bets: Values of :math:`\epsilon`; without positive ones no bet pays for large p-values.
        jump: Share in [0, 1].

    Raises:
        ValueError: ``jump`` is out of range, or a bet lies outside [-2, 2], where wealth could become negative.

    Examples:
        >>> gamblers = SimpleJumper(jump=0)
        >>> round(float(np.exp(gamblers.bet(0.0))), 4), round(float(np.exp(gamblers.bet(0.0))), 4)  # mean of 1.5², 1, 0.5²
        (1.0, 1.1667)
    """

    def __init__(self, bets: Sequence[float] = BOTH_WAYS, jump: float = 0.01) -> None:
        self.bets, self.jump = np.asarray(bets, np.float64), jump
        if not 0 <= jump <= 1 or np.abs(self.bets).max(initial=0) > 2:
            raise ValueError(f'SimpleJumper: bets={bets}, jump={jump}; bets lie in [-2, 2] and jump in [0, 1].')
        self.log_shares = np.full(len(self.bets), -math.log(len(self.bets)))

    def bet(self, p_values: float | np.ndarray) -> np.ndarray:
        """Log wealth after one more p-value of each stream, which are of any shape, the same in each call."""
        total = np.logaddexp.reduce(self.log_shares, axis=-1, keepdims=True)
        shares = np.exp(self.log_shares - total) * (1 - self.jump) + self.jump / len(self.bets)
        with np.errstate(divide='ignore'):
            paid = np.log(shares) + np.log1p(self.bets * (np.asarray(p_values, np.float64)[..., None] - 0.5))
        self.log_shares = total + paid
        return np.logaddexp.reduce(self.log_shares, axis=-1)

    def state(self) -> dict:
        """What continues the bets, as plain numbers."""
        return dict(log_shares=self.log_shares.tolist())

    def restore(self, state: dict) -> None:
        """Continue from :meth:`state`."""
        self.log_shares = np.asarray(state['log_shares'], np.float64)


def log_wealth(p_values: np.ndarray, gamblers: PowerMixture | SimpleJumper) -> np.ndarray:
    """Log wealth along whole streams.

    Args:
        p_values: Shape (..., T).
        gamblers: Fresh ones.

    Returns:
        Shape (..., T).

    Examples:
        >>> log_wealth(np.array([0.5, 0.5]), SimpleJumper()).round(4) + 0.0  # nobody wins at one half
        array([0., 0.])
    """
    return np.stack([gamblers.bet(p_values[..., frame]) for frame in range(p_values.shape[-1])], axis=-1)

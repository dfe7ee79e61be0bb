r"""Conformal p-values of one number per frame against calibration frames, larger numbers being stranger.

Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005, chapter 2; Bates et al., "Testing for outliers with
conformal p-values", Annals of Statistics 2023, for calibration sets that stay as they are.
"""
from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv

POOLS = ('first', 'mean')


def smoothed_p_value(reference: np.ndarray, values: float | np.ndarray, tie_break: float | np.ndarray) -> np.ndarray:
    r"""Share of the reference that is stranger, ties broken at random: :math:`(\#\{x_i > x\} + U(\#\{x_i = x\} + 1)) / (n + 1)`.

    One such p-value is uniform where reference and value are exchangeable. Those of several values against the *same* reference
    are not independent; those of values that each join the reference after they were tested are.

    Args:
        reference: Statistics of n frames, ascending, shape (n,).
        values: Statistics to test, any shape.
        tie_break: U, uniform in (0, 1], of the same shape.

    Returns:
        p-values, same shape, in (0, 1]; near 0 for values above the reference, near 1 for values below.

    Examples:
        >>> smoothed_p_value(np.arange(9.0), np.array([8.0, 100.0, -1.0]), tie_break=0.5).tolist()
        [0.1, 0.05, 0.95]
    """
    stranger = len(reference) - np.searchsorted(reference, values, side='right')
    ties = len(reference) - np.searchsorted(reference, values, side='left') - stranger
    return (stranger + np.asarray(tie_break) * (ties + 1)) / (len(reference) + 1)


def conservative_p_value(reference: np.ndarray, values: float | np.ndarray) -> np.ndarray:
    r"""Share of the reference that is at least as strange, :math:`(\#\{x_i \ge x\} + 1) / (n + 1)`, without chance.

    At most u with a probability of at most u for every u, where reference and value are exchangeable.

    Args:
        reference: Statistics of n frames, ascending, shape (n,).
        values: Statistics to test, any shape.

    Returns:
        p-values, same shape, in [1 / (n + 1), 1].

    Examples:
        >>> conservative_p_value(np.arange(9.0), np.array([8.0, 100.0, -1.0])).tolist()
        [0.2, 0.1, 1.0]
    """
    return (len(reference) - np.searchsorted(reference, values, side='left') + 1) / (len(reference) + 1)


def tail_bounds(num_frames: int, delta: float) -> np.ndarray:
    r"""Upper bounds of the chance of a further frame to be as strange as x, by how many calibration frames are.

    With probability :math:`1 - \delta` over n independent calibration frames, :math:`P(X \ge x) \le b_k` for every x at once, k
    being the number of calibration frames that are at least as strange as x. Of two bands, each at :math:`\delta / 2`, the
    smaller value holds: Massart's :math:`k / n + \sqrt{\log(2 / \delta) / 2n}`, and quantiles of the order statistics
    :math:`U_{(k + 1)} \sim Beta(k + 1, n - k)`, all n of which hold together at :math:`\delta / 2n` each. The second is by far the
    sharper one where k is small.

    Args:
        num_frames: n, at least 1.
        delta: Probability that the bounds fail, in (0, 1).

    Returns:
        :math:`b_0, \dots, b_n`, ascending, shape (n + 1,), float64; the last is 1.

    Examples:
        >>> bounds = tail_bounds(num_frames=200, delta=0.01)
        >>> bounds[[0, 100, 200]].round(3).tolist()
        [0.052, 0.615, 1.0]
    """
    counts = np.arange(num_frames)
    massart = counts / num_frames + math.sqrt(math.log(2 / delta) / (2 * num_frames))
    order = betaincinv(counts + 1.0, num_frames - counts, 1 - delta / (2 * num_frames))
    return np.append(np.minimum(np.minimum(massart, order), 1), 1.0)


def bounded_p_value(reference: np.ndarray, values: float | np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """p-values that stay valid for any number of frames tested against one calibration set.

    Where the bounds hold, these lie above the true chance of being as strange. Given the calibration frames, those of
    independent frames are therefore independent and at most u with a probability of at most u.

    Args:
        reference: Statistics of the n calibration frames, ascending, shape (n,).
        values: Statistics to test, any shape.
        bounds: Of :func:`tail_bounds` for n.

    Returns:
        p-values, same shape, in [bounds[0], 1].

    Examples:
        >>> reference = np.arange(200.0)
        >>> bounded_p_value(reference, np.array([1000.0, 0.0]), tail_bounds(200, delta=0.01)).round(3).tolist()
        [0.052, 1.0]
    """
    return bounds[len(reference) - np.searchsorted(reference, values, side='left')]


def two_sided(p_values: np.ndarray, opposite: np.ndarray) -> np.ndarray:
    """p-values against both directions, twice the smaller one.

    Args:
        p_values: p-values for large statistics, any shape.
        opposite: p-values for small ones (of the negated numbers), same shape.

    Returns:
        Same shape, in (0, 1].

    Examples:
        >>> two_sided(np.array([0.01, 0.5]), np.array([1.0, 0.6])).tolist()
        [0.02, 1.0]
    """
    return np.minimum(1, 2 * np.minimum(p_values, opposite))


def thinned(values: Sequence[float] | np.ndarray, every: int, pool: str = 'first') -> np.ndarray:
    """One number for each run of frames, since neighbouring frames are near copies.

    Args:
        values: Statistics of frames in their order, shape (T,).
        every: Frames per run, at least 1.
        pool: ``'first'`` takes the first frame of each run, ``'mean'`` the mean of all; an unfinished run is left out.

    Returns:
        Shape (T // every,).

    Raises:
        ValueError: ``every`` or ``pool`` is out of range.

    Examples:
        >>> thinned([1, 2, 3, 4, 5], every=2).tolist(), thinned([1, 2, 3, 4, 5], every=2, pool='mean').tolist()
        ([1.0, 3.0], [1.5, 3.5])
    """
    if every < 1 or pool not in POOLS:
        raise ValueError(f'thinned: every={every}, pool={pool!r}; every must be at least 1 and pool one of {POOLS}.')
    runs = np.asarray(values, np.float64)[:len(values) // every * every].reshape(-1, every)
    return runs[:, 0] if pool == 'first' else runs.mean(axis=1)

"""Thresholds of nested prediction sets with a guaranteed risk, from exact per-image losses."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import bdtr

from .conformal_losses import ConformityTable, StepLoss, class_miss_loss, miscoverage_loss

CONTROLS = ('crc', 'rcps', 'ltt')
FALLBACKS = ('contain', 'pixels')
ROUNDING = 1e-12


@dataclass(frozen=True)
class RiskTarget:
    r"""The promise that a threshold is chosen for.

    - ``'crc'``: :math:`E[L_{n+1}] \le \alpha` over calibration and test images (Angelopoulos et al., "Conformal risk
      control", ICLR 2024).
    - ``'rcps'``: :math:`P(E[L] \le \alpha) \ge 1 - \delta` over calibration images, with the Hoeffding-Bentkus bound
      (Bates et al., "Distribution-free, risk-controlling prediction sets", JACM 2021).
    - ``'ltt'``: the same promise by testing thresholds in sequence from the safest on, which needs no monotone loss
      (Angelopoulos et al., "Learn then test", 2021).

    Args:
        alpha: Level of the risk, in (0, 1).
        control: One of :data:`CONTROLS`.
        delta: Probability with which RCPS and LTT may fail, in (0, 1).

    Raises:
        ValueError: An argument is out of range.

    Examples:
        >>> target = RiskTarget(alpha=0.1)  # at most a tenth of the pixels lost, on average over images
        >>> round(target.largest_risk(num_images=99), 4)  # 0.1 - 0.9 / 99
        0.0909
    """

    alpha: float
    control: str = 'crc'
    delta: float = 0.1

    def __post_init__(self) -> None:
        if self.control not in CONTROLS:
            raise ValueError(f'RiskTarget: control={self.control!r} is unknown; choose from {CONTROLS}.')
        for name in ('alpha', 'delta'):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f'RiskTarget: {name}={getattr(self, name)} must lie strictly between 0 and 1.')

    def largest_risk(self, num_images: int, loss_bound: float = 1.0) -> float:
        """Largest empirical risk that the promise allows.

        Args:
            num_images: Number n of calibration images.
            loss_bound: Largest loss B of an image.

        Returns:
            The largest mean loss over the calibration images; NaN where no mean loss is small enough.
        """
        if self.control == 'crc':
            return crc_bound(num_images, self.alpha, loss_bound)
        return loss_bound * hoeffding_bentkus_bound(num_images, self.alpha / loss_bound, self.delta)


@dataclass(frozen=True)
class ControlledThreshold:
    r"""A chosen threshold :math:`1 - \hat\lambda` and what it was chosen from.

    Args:
        threshold: In [0, 1]; 0 gives the set of all classes.
        feasible: Whether a threshold was found that keeps the promise; where none was, the threshold is 0.
        num_images: Calibration images with a defined loss.
        empirical_risk: Mean loss over them at this threshold, NaN without images.
        largest_risk: Largest mean loss allowed, NaN where there are too few images for any.
        images_needed: How many images the promise needs at least; see :func:`images_needed`.
    """

    threshold: float
    feasible: bool
    num_images: int
    empirical_risk: float
    largest_risk: float
    images_needed: int

    @property
    def level(self) -> float:
        r""":math:`\hat\lambda`."""
        return 1 - self.threshold


def crc_bound(num_images: int, alpha: float, loss_bound: float = 1.0) -> float:
    r"""Largest empirical risk :math:`\alpha - (B - \alpha) / n` that conformal risk control allows.

    Args:
        num_images: Number n of calibration images.
        alpha: Level.
        loss_bound: B.

    Returns:
        The bound, at least 0; NaN where :math:`n < (B - \alpha) / \alpha`, so that no risk is small enough.

    Examples:
        >>> round(crc_bound(num_images=19, alpha=0.1), 4)  # 0.1 - 0.9 / 19
        0.0526
        >>> crc_bound(num_images=8, alpha=0.1)  # too few for any promise
        nan
    """
    if num_images == 0:
        return math.nan
    bound = alpha - (loss_bound - alpha) / num_images
    return max(bound, 0.0) if bound >= -ROUNDING else math.nan


@lru_cache(maxsize=1024)
def images_needed(target: RiskTarget, loss_bound: float = 1.0) -> int:
    r"""Smallest number of calibration images with which a promise can be kept at all, by sets that lose nothing on them.

    CRC needs :math:`(B - \alpha) / \alpha`. For RCPS and LTT no loss at all must be evidence enough,
    :math:`(1 - \alpha / B)^n \le \delta`. Near this number the sets are as large as can be; useful ones take several times
    as many.

    Args:
        target: The promise.
        loss_bound: Largest loss B of an image.

    Returns:
        At least 1.

    Examples:
        >>> images_needed(RiskTarget(alpha=0.05))  # 0.95 / 0.05
        19
        >>> images_needed(RiskTarget(alpha=0.05, control='rcps', delta=0.1))  # 0.95 ** 45 < 0.1
        45
    """
    share = target.alpha / loss_bound
    if share >= 1:
        return 1
    estimate = (1 - share) / share if target.control == 'crc' else math.log(target.delta) / math.log1p(-share)
    number = max(math.floor(estimate) - 1, 1)
    while math.isnan(target.largest_risk(number, loss_bound)):
        number += 1
    return number


def published_feasibility(num_images: int, alpha: float) -> bool:
    """Whether the published code accepts this many images; it asks for one more than needed at some levels.

    Args:
        num_images: Number of calibration images.
        alpha: Level, for losses bounded by 1.

    Returns:
        Whether there are at least floor((1 - alpha) / alpha) + 1.
    """
    return num_images >= math.floor((1 - alpha) / alpha) + 1


def hoeffding_bentkus_p_value(risk: float | np.ndarray, num_images: int, alpha: float) -> np.ndarray:
    r"""p-value of the hypothesis that the risk exceeds :math:`\alpha`, for losses in [0, 1].

    :math:`\min(e^{-n\,kl(\min(\hat R, \alpha), \alpha)},\; e\,P(Bin(n, \alpha) \le \lceil n \hat R \rceil))`,
    Bates et al. 2021.

    Args:
        risk: Mean losses, any shape.
        num_images: n.
        alpha: Level; from 1 on no risk exceeds it and the p-value is 0.

    Returns:
        p-values, same shape, in [0, 1].

    Examples:
        >>> round(float(hoeffding_bentkus_p_value(risk=0.0, num_images=10, alpha=0.1)), 4)  # nothing lost: 0.9 ** 10
        0.3487
    """
    risk = np.asarray(risk, dtype=np.float64)
    if alpha >= 1:
        return np.zeros_like(risk)
    clipped = np.minimum(risk, alpha)
    with np.errstate(divide='ignore', invalid='ignore'):
        divergence = np.where(clipped > 0, clipped * np.log(clipped / alpha), 0)
    divergence = divergence + (1 - clipped) * np.log((1 - clipped) / (1 - alpha))
    bentkus = math.e * bdtr(np.ceil(num_images * risk - ROUNDING).clip(0), num_images, alpha)
    return np.minimum(np.exp(-num_images * divergence), bentkus).clip(max=1.0)


@lru_cache(maxsize=1024)
def hoeffding_bentkus_bound(num_images: int, alpha: float, delta: float) -> float:
    """Largest empirical risk whose p-value is at most ``delta``.

    Args:
        num_images: Number of calibration images.
        alpha: Level of the risk.
        delta: Level of the test.

    Returns:
        The bound, in [0, alpha]; NaN where even no loss at all is not enough evidence.

    Examples:
        >>> hoeffding_bentkus_bound(num_images=21, alpha=0.1, delta=0.1)  # 0.9 ** 21 > 0.1
        nan
        >>> 0 <= hoeffding_bentkus_bound(num_images=22, alpha=0.1, delta=0.1) < 0.1
        True
    """
    if num_images == 0 or hoeffding_bentkus_p_value(0.0, num_images, alpha) > delta:
        return math.nan
    low, high = 0.0, alpha
    for _ in range(60):
        middle = (low + high) / 2
        if hoeffding_bentkus_p_value(middle, num_images, alpha) <= delta:
            low = middle
        else:
            high = middle
    return low


def control_risk(loss: StepLoss,
                 target: RiskTarget,
                 repeats: np.ndarray | None = None,
                 grid: np.ndarray | None = None) -> ControlledThreshold:
    """Choose the largest threshold, so the smallest sets, that keeps a promise.

    Args:
        loss: Losses of n images.
        target: The promise.
        repeats: How often each image counts, shape (n,), at least 0: a mask for a split, counts for a bootstrap;
            ``None`` counts each once.
        grid: Thresholds that LTT tests in ascending order, chosen without these images, in any order; ``None`` tests all of
            [0, 1]. The losses being monotone, that stops where RCPS does.

    Returns:
        The threshold; 0 with ``feasible=False`` where there are too few images for the promise, or where LTT accepts no
        threshold of its grid.

    Examples:
        >>> loss = StepLoss(np.arange(9), np.arange(1, 10) / 10, weight=np.ones(9), defined=np.ones(9, bool))
        >>> chosen = control_risk(loss, RiskTarget(alpha=0.2))
        >>> chosen.threshold, round(chosen.empirical_risk, 4)  # one of nine images may be lost: 0.2 - 0.8 / 9
        (0.2, 0.1111)
    """
    return control_levels(loss, [target], repeats, grid)[0]


def control_levels(loss: StepLoss,
                   targets: Sequence[RiskTarget],
                   repeats: np.ndarray | None = None,
                   grid: np.ndarray | None = None) -> list[ControlledThreshold]:
    """Choose thresholds for several promises about one loss; arguments and results as in :func:`control_risk`.

    Examples:
        >>> loss = StepLoss(np.arange(9), np.arange(1, 10) / 10, weight=np.ones(9), defined=np.ones(9, bool))
        >>> [chosen.threshold for chosen in control_levels(loss, [RiskTarget(0.1), RiskTarget(0.2), RiskTarget(0.3)])]
        [0.1, 0.2, 0.3]
    """
    counted = loss.defined * (1 if repeats is None else np.asarray(repeats))
    num_images = int(counted.sum())
    cumulated = np.concatenate([[0.0], np.cumsum(loss.weight * counted[loss.image]) / max(num_images, 1)])
    return [_controlled(loss, cumulated, num_images, target, grid if target.control == 'ltt' else None)
            for target in targets]


def _controlled(loss: StepLoss, cumulated: np.ndarray, num_images: int, target: RiskTarget,
                grid: np.ndarray | None) -> ControlledThreshold:
    largest_risk = target.largest_risk(num_images, loss.bound)
    threshold, feasible = 0.0, not math.isnan(largest_risk)
    if feasible and grid is None:
        lost = np.searchsorted(cumulated, largest_risk + ROUNDING, side='right') - 1
        threshold = float(loss.conformity[lost]) if lost < len(loss.conformity) else 1.0
    elif feasible:
        grid = np.sort(grid)
        risks = _risk_at(loss, cumulated, grid) / loss.bound
        accepted = grid[learn_then_test(risks, num_images, target.alpha / loss.bound, target.delta)]
        threshold, feasible = float(accepted.max(initial=0.0)), bool(len(accepted))
    risk = float(_risk_at(loss, cumulated, threshold)) if num_images else math.nan
    return ControlledThreshold(threshold, feasible, num_images, risk, largest_risk, images_needed(target, loss.bound))


def control_risks(losses: Sequence[StepLoss], targets: Sequence[RiskTarget],
                  repeats: np.ndarray | None = None) -> tuple[float, list[ControlledThreshold]]:
    """Control several risks at once by the largest set that any of them asks for.

    Each promise holds by itself; that all of them hold together with RCPS or LTT fails with the sum of their deltas.

    Args:
        losses: One per risk, of the same images.
        targets: One promise per risk.
        repeats: As in :func:`control_risk`.

    Returns:
        The threshold, which is the smallest of all, and the result of each risk.

    Examples:
        >>> loss = StepLoss(np.arange(9), np.arange(1, 10) / 10, weight=np.ones(9), defined=np.ones(9, bool))
        >>> threshold, results = control_risks([loss, loss], [RiskTarget(0.2), RiskTarget(0.3)])
        >>> threshold, [result.threshold for result in results]
        (0.2, [0.2, 0.3])
    """
    results = [control_risk(loss, target, repeats) for loss, target in zip(losses, targets, strict=True)]
    return min(result.threshold for result in results), results


def learn_then_test(risks: np.ndarray,
                    num_images: int,
                    alpha: float,
                    delta: float,
                    correction: str = 'fixed_sequence') -> np.ndarray:
    """Test which parameters of a grid keep a risk, monotone or not, with one probability of error for all of them.

    Args:
        risks: Mean losses in [0, 1] of every parameter; for ``'fixed_sequence'`` from the safest on, shape (G,); several
            risks at once as (R, G).
        num_images: Number of calibration images.
        alpha: Level of the risk.
        delta: Probability of accepting any parameter whose risk exceeds ``alpha``.
        correction: ``'fixed_sequence'`` stops at the first failure, ``'bonferroni'`` needs no order.

    Returns:
        Which parameters are accepted, shape (G,), bool.

    Raises:
        ValueError: ``correction`` is unknown.

    Examples:
        >>> learn_then_test(np.array([0.0, 0.01, 0.2, 0.0]), num_images=100, alpha=0.1, delta=0.1).tolist()
        [True, True, False, False]
    """
    p_values = hoeffding_bentkus_p_value(np.atleast_2d(risks), num_images, alpha).max(axis=0)
    if correction == 'bonferroni':
        return p_values <= delta / len(p_values)
    if correction != 'fixed_sequence':
        raise ValueError(f"learn_then_test: correction={correction!r}; choose 'fixed_sequence' or 'bonferroni'.")
    return np.logical_and.accumulate(p_values <= delta)


def control_classes(table: ConformityTable,
                    target: RiskTarget,
                    repeats: np.ndarray | None = None,
                    fallback: str = 'contain') -> tuple[np.ndarray, list[ControlledThreshold], np.ndarray]:
    """Choose one threshold per class for the false-negative rate of the class.

    A class seen in too few images has no threshold of its own. ``'contain'`` puts it into every set: nothing of it is
    missed, so the promise holds for every class. ``'pixels'`` gives it the threshold that controls the miscoverage of all
    pixels, which keeps sets small and promises nothing: not for this class, of which rare ones are missed more often than
    others, and not for the whole image, whose other classes have thresholds of their own.

    Args:
        table: Table of n images.
        target: The promise, made for each class over the images that contain it.
        repeats: As in :func:`control_risk`.
        fallback: One of :data:`FALLBACKS`.

    Returns:
        Thresholds, shape (K,); the result of each class; which classes fell back, shape (K,), bool.

    Raises:
        ValueError: ``fallback`` is unknown.

    Examples:
        >>> from mmseg_uncertainty.functional.conformal_losses import tabulate
        >>> seen = tabulate(torch.arange(1, 10)[:, None] / 10, labels=torch.zeros(9, 1), num_classes=2)  # no class 1
        >>> thresholds, _, fell_back = control_classes(seen, RiskTarget(alpha=0.2))
        >>> thresholds.round(4).tolist(), fell_back.tolist()
        ([0.2, 0.0], [False, True])
    """
    if fallback not in FALLBACKS:
        raise ValueError(f'control_classes: fallback={fallback!r} is unknown; choose from {FALLBACKS}.')
    results = [control_risk(class_miss_loss(table, label), target, repeats) for label in range(table.pixels.shape[1])]
    fell_back = np.array([not result.feasible for result in results])
    common = control_risk(miscoverage_loss(table), target, repeats).threshold if fallback == 'pixels' else 0.0
    thresholds = np.where(fell_back, common, [result.threshold for result in results])
    return thresholds, results, fell_back


def _risk_at(loss: StepLoss, cumulated: np.ndarray, thresholds: float | np.ndarray) -> np.ndarray:
    """Mean loss at thresholds, from the risk cumulated over the rows."""
    return cumulated[np.searchsorted(loss.conformity, thresholds, side='left')]

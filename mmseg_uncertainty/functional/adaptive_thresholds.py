r"""Thresholds that are a linear function of an embedding of the image, with a risk that is promised for every tilt in its span.

Thresholds are written as log-odds :math:`s = \log\frac{q}{1-q}`, in which a linear function
:math:`s(x) = \theta \cdot \varphi(x)` makes sense. Blot et al., "Automatically adaptive conformal risk control", AISTATS 2025,
after Gibbs, Cherian and Candès, "Conformal prediction with conditional guarantees", 2023.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from scipy.special import expit, logit

from .conformal_losses import StepLoss

# Log-odds below those of the smallest positive and above those of the largest float32 below 1.
LOWEST, HIGHEST = -104.0, 17.0
# How much lower thresholds are taken than computed, in log-odds, so that rounding never makes a set smaller.
ROUNDED_DOWN = 1e-6
# A bound of the imputed loss a little above the true one makes the threshold unique where several would do.
STRICT = 1e-9


@dataclass(frozen=True)
class LossSteps:
    r"""Losses as step functions of log-odds, :math:`L_i(s) = \sum_{j : p_j < s} w_j`; all is lost from :data:`HIGHEST` on.

    Args:
        image: Image of each row, shape (M,), int64, ascending.
        place: Log-odds above which the row is lost, shape (M,), float64.
        weight: Loss that the row adds, shape (M,), float64.
        num_images: Number n of images.
        bound: Largest loss B.
    """

    image: np.ndarray
    place: np.ndarray
    weight: np.ndarray
    num_images: int
    bound: float

    def at(self, log_odds: np.ndarray) -> np.ndarray:
        """Loss of each image at a threshold of its own, both of shape (n,)."""
        lost = self.place < np.asarray(log_odds)[self.image]
        return np.bincount(self.image[lost], self.weight[lost], minlength=self.num_images)


def loss_steps(loss: StepLoss, alpha: float, resolution: int | None = 32) -> LossSteps:
    r"""Losses of the images that have one, in fewer steps, rounded up.

    Args:
        loss: Losses of n images.
        alpha: Level; steps are at most :math:`\alpha` / ``resolution`` where the loss is below :math:`2 \alpha`, and in
            proportion to it beyond.
        resolution: See above; ``None`` keeps every step.

    Returns:
        Steps of the images with a defined loss, in their order.

    Examples:
        >>> loss = StepLoss(np.zeros(100, int), np.arange(100) / 100, np.full(100, 0.01), np.array([True]))
        >>> steps = loss_steps(loss, alpha=0.4, resolution=4)
        >>> len(steps.place) < 20, bool((steps.at([logit(0.35)]) >= loss.at([0.35])[0]).all())
        (True, True)
    """
    number = np.cumsum(loss.defined) - 1
    order = np.lexsort((loss.conformity, loss.image))
    image, weight = number[loss.image[order]], loss.weight[order]
    place = np.maximum(logit(loss.conformity[order]), LOWEST)
    count = int(loss.defined.sum())
    total = np.bincount(image, weight, minlength=count)
    if resolution is not None:
        running = np.cumsum(weight)
        before = np.concatenate([[0.0], np.cumsum(total)])[image]
        step, knee = alpha / resolution, 2 * alpha
        height = np.maximum(running - before - 1e-12, 0)
        group = np.where(height < knee, height / step,
                         knee / step * (1 + np.log(np.maximum(height, knee) / knee))).astype(np.int64)
        first = np.flatnonzero(np.append(True, (np.diff(image) != 0) | (np.diff(group) != 0))) if len(image) else np.empty(0, int)
        image, place, weight = image[first], place[first], np.add.reduceat(weight, first) if len(first) else weight
    rest = np.maximum(loss.bound - total, 0)
    left = np.flatnonzero(rest > 0)
    joined = np.concatenate([image, left])
    order = np.argsort(joined, kind='stable')
    return LossSteps(joined[order], np.concatenate([place, np.full(len(left), HIGHEST)])[order],
                     np.concatenate([weight, rest[left]])[order], count, loss.bound)


def imputed_log_odds(steps: LossSteps, features: np.ndarray, further: np.ndarray, alpha: float) -> float:
    r"""Threshold of one further image, whose unknown loss is taken for the worst.

    With :math:`\varphi_{n+1}` the features of the further image, it is :math:`\hat\theta \cdot \varphi_{n+1}` where

    .. math:: \hat\theta \in \arg\min_\theta \sum_{i \le n} \int^{\theta \cdot \varphi_i} (L_i(s) - \alpha)\,ds
              + (B - \alpha)\,\theta \cdot \varphi_{n+1}.

    Where the n + 1 images are exchangeable, :math:`E[g(X_{n+1}) (L_{n+1} - \alpha)] \le 0` for every function
    :math:`g = c \cdot \varphi \ge 0`: with a constant feature the risk is at most :math:`\alpha`, with an indicator of a group
    that of the group, with any feature that of images reweighted by it. Proof in docs/adaptive_sets.md. The minimum is the
    multiplier of a linear program with one equation per feature.

    Args:
        steps: Losses of n images.
        features: :math:`\varphi_i`, shape (n, d).
        further: :math:`\varphi_{n+1}`, shape (d,).
        alpha: Level.

    Returns:
        Log-odds of the threshold; minus infinity, the set of all classes, where the images cannot tell (there are too few of
        them, or none like it).

    Examples:
        >>> loss = StepLoss(np.arange(9), np.arange(1, 10) / 10, weight=np.ones(9), defined=np.ones(9, bool))
        >>> steps = loss_steps(loss, alpha=0.2)
        >>> round(float(expit(imputed_log_odds(steps, np.ones((9, 1)), np.ones(1), alpha=0.2))), 4)  # as control_risk
        0.2
        >>> imputed_log_odds(steps, np.ones((9, 1)), np.ones(1), alpha=0.05)  # nine images are too few
        -inf
    """
    columns = features[steps.image].T
    wanted = alpha * features.sum(axis=0) - (steps.bound + STRICT - alpha) * np.asarray(further)
    bounds = np.stack([np.zeros(len(steps.weight)), steps.weight], axis=1)
    result = scipy.optimize.linprog(steps.place, A_eq=columns, b_eq=wanted, bounds=bounds, method='highs')
    if result.status == 2:
        return -math.inf
    if result.status != 0:
        raise ArithmeticError(f'imputed_log_odds: the linear program over {steps.num_images} images ended with: '
                              f"{result.message} Use fewer features, or method='split'.")
    return float(result.eqlin.marginals @ further) - ROUNDED_DOWN


def learned_direction(steps: LossSteps, features: np.ndarray, alpha: float, penalty: float = 1e-3) -> np.ndarray:
    r"""Coefficients of :math:`s(x) = \theta \cdot \varphi(x)` that bring the loss next to :math:`\alpha` everywhere.

    They minimize the mean of :math:`\int^{\theta \cdot \varphi_i} (L_i - \alpha)` plus half the ``penalty`` times the squared
    norm of all but the first, and promise nothing by themselves.

    Args:
        steps: Losses of n images.
        features: Shape (n, d), the first being constant.
        alpha: Level.
        penalty: At least 0.

    Returns:
        Shape (d,), float64.

    Examples:
        >>> loss = StepLoss(np.arange(4), expit([-1.0, 1.0, -1.0, 1.0]), weight=np.ones(4), defined=np.ones(4, bool))
        >>> features = np.array([[1.0, -1.0], [1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
        >>> learned_direction(loss_steps(loss, 0.5, None), features, alpha=0.5, penalty=1e-9).round(1)[1].item()
        1.0
    """
    size = max(steps.num_images, 1)
    damped = np.append(0.0, np.full(features.shape[1] - 1, penalty))

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        log_odds = features @ theta
        beyond = log_odds[steps.image] - steps.place
        lost = beyond > 0
        loss = np.bincount(steps.image[lost], steps.weight[lost], minlength=steps.num_images)
        value = (steps.weight[lost] @ beyond[lost] - alpha * log_odds.sum()) / size + damped @ theta**2 / 2
        return value, (loss - alpha) @ features / size + damped * theta

    start = np.zeros(features.shape[1])
    start[0] = np.median(steps.place)
    return scipy.optimize.minimize(objective, start, jac=True, method='L-BFGS-B', options=dict(ftol=1e-12)).x


def shifted_loss(loss: StepLoss, log_odds: np.ndarray) -> StepLoss:
    r"""The loss as a function of one offset: at the threshold t image i has the log-odds :math:`\mathrm{logit}(t) + s_i`.

    Args:
        loss: Losses of n images.
        log_odds: :math:`s_i`, shape (n,), chosen without these images.

    Returns:
        Losses that any risk control of one number takes.

    Examples:
        >>> loss = StepLoss(np.array([0, 1]), np.array([0.2, 0.5]), weight=np.ones(2), defined=np.ones(2, bool))
        >>> shifted_loss(loss, logit([0.2, 0.5])).conformity.round(4).tolist()
        [0.5, 0.5]
    """
    conformity = np.minimum(expit(logit(loss.conformity) - np.asarray(log_odds)[loss.image]), np.nextafter(1.0, 0.0))
    order = np.lexsort((loss.weight, conformity))
    return StepLoss(loss.image[order], conformity[order], loss.weight[order], loss.defined, loss.bound)


def threshold_of_log_odds(log_odds: float | np.ndarray) -> np.ndarray:
    """Thresholds of some log-odds, in [0, 1], same shape.

    Examples:
        >>> threshold_of_log_odds([-np.inf, 0.0, np.inf]).round(4).tolist()
        [0.0, 0.5, 1.0]
    """
    log_odds = np.asarray(log_odds, np.float64)
    return np.where(log_odds <= LOWEST, 0.0, np.where(log_odds >= HIGHEST, 1.0, expit(log_odds)))

"""Thresholds of a score that keep a promise about what is flagged, from calibration images."""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .conformal_losses import StepLoss
from .flag_counts import FlagTable, threshold_of_cell
from .flag_losses import (TARGETS, cell_of_level, detection_table, false_alarm_loss, false_discovery_loss, frame_alarm_loss,
                          miss_loss, selective_risk_loss)
from .risk_control import ControlledThreshold, RiskTarget, control_risk, hoeffding_bentkus_bound, images_needed, learn_then_test
from .score_histogram import score_keys

MONOTONE, RATIOS = ('false_alarms', 'misses', 'frame_alarms'), ('selective_risk', 'precision')
PROMISES = MONOTONE + RATIOS
# Their losses fall while the threshold rises.
FALLING = ('false_alarms', 'frame_alarms', 'precision')
CORRECTIONS = ('fixed_sequence', 'bonferroni')


@dataclass(frozen=True)
class FlagPromise:
    r"""What is promised of the flags of a further image, or of a further frame of a further scene.

    ======================  ==============================================================================================
    ``'false_alarms'``      at most :math:`\alpha` of the pixels that should not be flagged are
    ``'misses'``            at most :math:`\alpha` of the pixels that should be flagged are not, in images with such pixels
    ``'frame_alarms'``      an image (without anomaly) raises an alarm with probability :math:`\alpha` at most
    ``'selective_risk'``    at most :math:`\alpha` of the pixels that are not flagged are mistakes (or anomalies)
    ``'precision'``         at most :math:`\alpha` of the flagged pixels are flagged falsely
    ======================  ==============================================================================================

    The first three are monotone in the threshold. ``control='crc'`` promises them on average over calibration sets; for
    ``'frame_alarms'`` this is the rank :math:`\lceil (n + 1)(1 - \alpha) \rceil` of the highest thresholds at which the n
    images raise an alarm. ``'rcps'`` and ``'ltt'`` promise them with probability :math:`1 - \delta`. The last two are not
    monotone and take ``'ltt'``: thresholds are tested from the one on that flags everything (``'selective_risk'``) or nothing
    (``'precision'``), until one fails; every one that passes keeps the promise, with one :math:`\delta` for all of them.

    Args:
        kind: One of :data:`PROMISES`.
        alpha: Level, in (0, 1).
        control: ``'crc'``, ``'rcps'`` or ``'ltt'``; ``None`` takes ``'crc'`` where the loss is monotone, ``'ltt'`` elsewhere.
        delta: Probability with which RCPS and LTT may fail, in (0, 1).
        of: What should be flagged, ``'mistakes'`` or ``'anomalies'``.
        pixels: An alarm is raised where at least so many pixels are flagged.
        region: An alarm is raised where an 8-connected region of so many pixels is flagged; takes the place of ``pixels``.
        grid: Thresholds that LTT tests, chosen without the calibration images; ``None`` tests every cell of float32 in
            sequence.
        correction: ``'fixed_sequence'`` or, for a grid whose first thresholds may fail where later ones pass,
            ``'bonferroni'``.

    Raises:
        ValueError: An option is unknown, out of range, or does not fit the others.

    Examples:
        >>> FlagPromise('selective_risk', alpha=0.02).target.control
        'ltt'
    """

    kind: str
    alpha: float
    control: str | None = None
    delta: float = 0.1
    of: str = 'mistakes'
    pixels: int = 1
    region: int | None = None
    grid: tuple[float, ...] | None = None
    correction: str = 'fixed_sequence'

    def __post_init__(self) -> None:
        for name, value, known in (('kind', self.kind, PROMISES), ('of', self.of, TARGETS),
                                   ('correction', self.correction, CORRECTIONS)):
            if value not in known:
                raise ValueError(f'FlagPromise: {name}={value!r} is unknown; choose from {known}.')
        if self.kind in RATIOS and self.control not in (None, 'ltt'):
            raise ValueError(f'FlagPromise: {self.kind} is no monotone function of the threshold, so control={self.control!r} '
                             "promises nothing; use control='ltt'.")
        if self.pixels < 1 or self.region is not None and self.region < 1:
            raise ValueError(f'FlagPromise: pixels={self.pixels} and region={self.region} must be at least 1.')
        target = self.target
        if (self.grid is not None or self.correction == 'bonferroni') and (target.control != 'ltt' or not self.grid):
            raise ValueError("FlagPromise: a grid is for control='ltt', must not be empty, and correction='bonferroni' needs one.")

    @property
    def target(self) -> RiskTarget:
        """Level and kind of the control."""
        return RiskTarget(self.alpha, self.control or ('crc' if self.kind in MONOTONE else 'ltt'), self.delta)

    @property
    def text(self) -> str:
        """The promise in words."""
        mistakes = self.of == 'mistakes'
        wrong, right = ('mistakes', 'right pixels') if mistakes else ('anomalies', 'in-distribution pixels')
        frames = 'frames' if mistakes else 'frames without an anomaly'
        alarm = f'{self.pixels} flagged pixels' if self.region is None else f'a flagged region of {self.region} pixels'
        claims = dict(false_alarms=f'of the {right} of an image are flagged', misses=f'of the {wrong} of an image are not flagged',
                      selective_risk=f'of the pixels that are kept are {wrong}', precision='of the flags are false',
                      frame_alarms=f'of the {frames} raise an alarm, {alarm}')
        sure = 'on average' if self.target.control == 'crc' else f'with probability {1 - self.delta:g}'
        return f'at most {100 * self.alpha:g} % {claims[self.kind]}, {sure}'

    def loss(self, table: FlagTable, units: np.ndarray | None = None) -> StepLoss:
        """Losses of the images, or of the units they belong to; see :mod:`~mmseg_uncertainty.functional.flag_losses`."""
        table = detection_table(table, self.of)
        if self.kind == 'frame_alarms':
            return frame_alarm_loss(table, self.pixels, self.region, units)
        return LOSSES[self.kind](table, units)


LOSSES = dict(false_alarms=false_alarm_loss, misses=miss_loss, selective_risk=selective_risk_loss, precision=false_discovery_loss)


@dataclass(frozen=True)
class FlagThreshold:
    """A chosen threshold.

    Args:
        threshold: Pixels are flagged where ``score > threshold``; infinite where everything or nothing is.
        cell: Its cell.
        result: What it was chosen from: whether it is feasible, how many images or units count, their mean loss.
    """

    threshold: float
    cell: int
    result: ControlledThreshold


def choose_threshold(table: FlagTable,
                     promise: FlagPromise,
                     units: np.ndarray | None = None,
                     repeats: np.ndarray | None = None) -> FlagThreshold:
    """Choose the threshold that flags most (``'false_alarms'``, ``'frame_alarms'``, ``'precision'``) or least (the others).

    Args:
        table: Table of n images.
        promise: What to keep.
        units: Unit of each image, shape (n,), integer from 0 on: losses are averaged in a unit, and units are counted. The
            promise is then about an image of a further unit. ``None`` takes each image for itself.
        repeats: How often each unit counts; ``None`` counts each once.

    Returns:
        The threshold. Where there are too few images for the promise, ``result.feasible`` is false and the threshold is the
        safest one: it flags nothing, or everything for ``'misses'`` and ``'selective_risk'``.

    Raises:
        ValueError: The labels do not fit the promise, see :meth:`FlagPromise.loss`.

    Examples:
        >>> from mmseg_uncertainty.functional.flag_counts import concatenate_flags, tabulate_flags
        >>> images = [tabulate_flags(np.array([[score]]), np.array([[0]])) for score in (1.0, 2.0, 3.0, 4.0)]
        >>> chosen = choose_threshold(concatenate_flags(images), FlagPromise('false_alarms', alpha=0.4))
        >>> 2.9 < chosen.threshold < 3.1  # 0.4 * 5 - 1 = 1 of four images may be lost
        True
    """
    return threshold_of_loss(promise.loss(table, units), promise, table.bits, repeats)


def threshold_of_loss(loss: StepLoss, promise: FlagPromise, bits: int, repeats: np.ndarray | None = None) -> FlagThreshold:
    """As :func:`choose_threshold`, from :meth:`FlagPromise.loss`, for many choices from the same images.

    Examples:
        >>> loss = StepLoss(np.arange(9), np.arange(9) / 16, np.ones(9), np.ones(9, bool))
        >>> threshold_of_loss(loss, FlagPromise('misses', alpha=0.1), bits=16).threshold  # nine images could do for 0 of them
        -inf
    """
    if promise.kind in MONOTONE and promise.grid is None:
        result = control_risk(loss, promise.target, repeats)
    elif promise.grid is None:
        result = _tested_in_sequence(loss, promise.target, repeats)
    else:
        result = _tested_on_grid(loss, promise, promise.grid, bits, repeats)
    cell = cell_of_level(result.threshold, bits, promise.kind in FALLING)
    return FlagThreshold(threshold_of_cell(cell, bits), cell, result)


def _tested_in_sequence(loss: StepLoss, target: RiskTarget, repeats: np.ndarray | None) -> ControlledThreshold:
    # Risks change at the levels of rows only, so that testing there tests every cell.
    num_images, risks, ends = _mean_risks(loss, repeats)
    largest = hoeffding_bentkus_bound(num_images, target.alpha, target.delta)
    needed = images_needed(target)
    accepted = learn_then_test(risks, num_images, target.alpha, target.delta) if num_images else np.zeros(1, bool)
    if not accepted[0]:
        return ControlledThreshold(0.0, False, num_images, risks[0] if num_images else math.nan, largest, needed)
    last = int(np.flatnonzero(accepted)[-1])
    level = float(loss.conformity[ends[last]]) if ends[last] < len(loss.conformity) else 1.0
    return ControlledThreshold(level, True, num_images, float(risks[last]), largest, needed)


def _tested_on_grid(loss: StepLoss, promise: FlagPromise, grid: tuple[float, ...], bits: int,
                    repeats: np.ndarray | None) -> ControlledThreshold:
    levels = np.unique([level_of_threshold(value, bits, promise.kind in FALLING) for value in grid])
    counted = loss.defined * (1 if repeats is None else np.asarray(repeats))
    num_images = int(counted.sum())
    delta = promise.delta / len(levels) if promise.correction == 'bonferroni' else promise.delta
    target = RiskTarget(promise.alpha, 'ltt', delta)
    largest = hoeffding_bentkus_bound(num_images, promise.alpha, delta)
    needed = images_needed(target)
    if not num_images:
        return ControlledThreshold(0.0, False, 0, math.nan, largest, needed)
    risks = np.nan_to_num(loss.at(levels)).T @ counted / num_images
    accepted = learn_then_test(risks, num_images, promise.alpha, promise.delta, promise.correction)
    if not accepted.any():
        return ControlledThreshold(0.0, False, num_images, 0.0, largest, needed)
    last = int(np.flatnonzero(accepted)[-1])
    return ControlledThreshold(float(levels[last]), True, num_images, float(risks[last]), largest, needed)


def level_of_threshold(threshold: float, bits: int, falls: bool) -> float:
    """Level q of a threshold, moved to the edge of its cell on the side that flags more.

    Examples:
        >>> level_of_threshold(np.inf, bits=16, falls=True), level_of_threshold(-np.inf, bits=16, falls=True)
        (0.0, 1.0)
    """
    cells = 1 << bits
    if np.isinf(threshold):
        cell = cells if threshold > 0 else 0
    else:
        following = np.nextafter(np.float32(threshold), np.float32(np.inf))
        following = following if abs(following) >= np.finfo(np.float32).tiny else np.float32(0)
        cell = int(score_keys(np.array([following], np.float32), bits)[0])
    return 1 - cell / cells if falls else cell / cells


def _mean_risks(loss: StepLoss, repeats: np.ndarray | None) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of images, mean loss before any row and after all rows of each level, and where the rows of the next begin."""
    counted = loss.defined * (1 if repeats is None else np.asarray(repeats))
    num_images = int(counted.sum())
    summed = np.cumsum(np.concatenate([[0.0], loss.weight * counted[loss.image]])) / max(num_images, 1)
    changes = loss.conformity[1:] != loss.conformity[:-1]
    ends = np.flatnonzero(np.r_[True, changes, True]) if len(loss.conformity) else np.zeros(1, np.int64)
    return num_images, summed[ends].clip(0), ends

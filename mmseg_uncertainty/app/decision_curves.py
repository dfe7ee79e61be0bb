"""Thresholds chosen live from the counts that a decision keeps."""
from __future__ import annotations

from dataclasses import replace
from functools import cached_property, lru_cache

import numpy as np

from mmseg_uncertainty.functional.conformal_losses import StepLoss
from mmseg_uncertainty.functional.flag_losses import detection_table, false_alarm_loss, miss_loss
from mmseg_uncertainty.functional.flag_promises import PROMISES, FlagPromise, FlagThreshold, level_of_threshold, threshold_of_loss
from mmseg_uncertainty.models import decisions

POINTS = 257


class DecisionCurves:
    """What the calibration images say of any threshold of a decision.

    Args:
        decision: A fitted decision.
    """

    def __init__(self, decision: decisions.FlagThreshold) -> None:
        self.decision = decision
        self.table = decision.curves.table()
        self.units = decision.curves.units.cpu().numpy().astype(np.int64) if decision.unit == 'scene' else None
        self._loss = lru_cache(maxsize=16)(lambda promise: promise.loss(self.table, self.units))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Promises that can be made from these labels; without what should be flagged, those about the rest."""
        if detection_table(self.table, self.decision.promise.of).totals[:, 1].any():
            return PROMISES
        return 'false_alarms', 'frame_alarms'

    def choose(self, kind: str, alpha: float) -> tuple[FlagPromise, FlagThreshold]:
        """The promise in words, and the threshold that keeps it.

        Args:
            kind: One of :data:`~mmseg_uncertainty.functional.flag_promises.PROMISES`.
            alpha: Level, in (0, 1).
        """
        promise = replace(self.decision.promise, kind=kind, alpha=alpha, control=None, grid=None, correction='fixed_sequence')
        # The loss does not depend on the level.
        return promise, threshold_of_loss(self._loss(replace(promise, alpha=0.5)), promise, self.table.bits)

    def rates(self, threshold: float) -> tuple[float, float]:
        """False alarms and share found at a threshold, means over the calibration images; NaN where nothing counts."""
        alarms, missed = (_mean(loss, np.array([level_of_threshold(threshold, self.table.bits, falls)]))[0]
                          for loss, falls in self._both)
        return float(alarms), float(1 - missed)

    @cached_property
    def trade_off(self) -> np.ndarray:
        """False alarms and share found from the highest threshold to the lowest, shape (P, 2)."""
        cells = np.unique(np.quantile(self.table.cell, np.linspace(0, 1, POINTS), method='nearest'))[::-1]
        levels = cells / (1 << self.table.bits)
        (alarms, _), (missed, _) = self._both
        return np.stack([_mean(alarms, 1 - levels), 1 - _mean(missed, levels)], axis=1)

    @cached_property
    def _both(self) -> tuple[tuple[StepLoss, bool], ...]:
        table = detection_table(self.table, self.decision.promise.of)
        return (false_alarm_loss(table, self.units), True), (miss_loss(table, self.units), False)


def _mean(loss: StepLoss, levels: np.ndarray) -> np.ndarray:
    if not loss.defined.any():
        return np.full(len(levels), np.nan)
    return loss.at(levels)[loss.defined].mean(axis=0)

"""Promises made live from the curves that a conformal head keeps."""
from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mmseg_uncertainty.functional.conformal_losses import StepLoss, image_loss
from mmseg_uncertainty.functional.prediction_sets import SetFamily
from mmseg_uncertainty.functional.risk_control import ControlledThreshold, RiskTarget, control_risk
from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.set_heads import ConformalRiskControlHead

GRID = np.geomspace(1e-6, 1, 121)


@dataclass(frozen=True)
class Promise:
    """A threshold and what it costs.

    Args:
        chosen: The threshold 1 - lambda-hat and what it was chosen from.
        expected_size: Mean classes per pixel over the calibration images at this threshold.
    """

    chosen: ControlledThreshold
    expected_size: float


class PromiseCurves:
    """Losses and set sizes of the calibration images at every threshold, from a fitted head.

    Args:
        head: A fitted head that kept its curves.
    """

    def __init__(self, head: ConformalRiskControlHead) -> None:
        self.head = head
        self.table = head.curves.table()
        self.sizes = head.size_curve(GRID)
        self._loss = lru_cache(maxsize=64)(self._build_loss)

    @property
    def family(self) -> SetFamily:
        """Family of the sets."""
        return self.head.family

    @property
    def num_images(self) -> int:
        """Number of calibration images."""
        return self.table.num_images

    def promise(self, alpha: float, loss: str = 'miscoverage', **options) -> Promise:
        """Choose the smallest sets that keep a promise on average over further images.

        Args:
            alpha: Level, in (0, 1).
            loss: Name in :data:`~mmseg_uncertainty.functional.conformal_losses.LOSSES`.
            options: Its options.
        """
        chosen = control_risk(self._loss(loss, **options), RiskTarget(alpha))
        return Promise(chosen, float(self.head.size_curve([chosen.threshold])[0]))

    def risks(self, loss: str = 'miscoverage', **options) -> np.ndarray:
        """Mean loss of the calibration images on :data:`GRID`."""
        losses = self._loss(loss, **options)
        return losses.at(GRID)[losses.defined].mean(axis=0)

    def _build_loss(self, loss: str, **options) -> StepLoss:
        return image_loss(self.table, loss=loss, **options)


def promise_curves(model: PosthocSegmentor) -> PromiseCurves | None:
    """The curves of a model, ``None`` if its set head keeps none."""
    head = model.set_head
    if not isinstance(head, ConformalRiskControlHead) or not head.is_fitted() or not len(head.curves.pixels):
        return None
    return PromiseCurves(head)

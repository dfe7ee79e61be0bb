"""A model as a service sees it, whatever runs it."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from mmseg_uncertainty.runtime.flag_summary import plain_record, summarize_flags
from mmseg_uncertainty.runtime.json_files import plain_values
from mmseg_uncertainty.runtime.prediction import Prediction
from mmseg_uncertainty.runtime.prediction_files import summarize_prediction
from mmseg_uncertainty.runtime.score_scale import ScoreScale


@dataclass(frozen=True)
class ServedModel:
    """What predicts, and what its numbers mean.

    Args:
        predict: Predicts images of one size, each of shape (H, W, 3), uint8, BGR.
        classes: Names of the classes.
        palette: Their colours, RGB from 0 to 255.
        scales: Scale of each head.
        decisions: Record of each decision.
        provenance: Where the model came from.
    """

    predict: Callable[[Sequence[np.ndarray]], list[Prediction]]
    classes: Sequence[str]
    palette: Sequence[Sequence[int]]
    scales: Mapping[str, ScoreScale]
    decisions: Mapping[str, Mapping]
    provenance: Mapping

    def summarize(self, prediction: Prediction) -> dict:
        """Numbers that sum up a prediction, as ``infer`` writes them."""
        return summarize_prediction(prediction, self.classes, self.scales, summarize_flags(prediction, self.decisions))

    def describe(self) -> dict:
        """Names, units, thresholds and promises, in plain values."""
        return plain_values(dict(
            classes=self.classes, palette=self.palette, heads={name: asdict(scale) for name, scale in self.scales.items()},
            decisions={name: plain_record(record) for name, record in self.decisions.items()}, model=self.provenance))

"""One picture of an image and a sample."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from mmseg.structures import SegDataSample

from mmseg_uncertainty.runtime.prediction import Prediction
from mmseg_uncertainty.runtime.prediction_figure import draw_prediction, figure_pixels

__all__ = ['draw_uncertainty', 'figure_pixels', 'prediction_of']


def draw_uncertainty(image: np.ndarray,
                     sample: SegDataSample,
                     classes: Sequence[str],
                     palette: Sequence[Sequence[int]],
                     ranges: dict[str, tuple[float, float]] | None = None,
                     columns: int = 4,
                     units: dict[str, str] | None = None) -> Figure:
    """Draw a sample; see :func:`~mmseg_uncertainty.runtime.prediction_figure.draw_prediction`."""
    return draw_prediction(image, prediction_of(sample), classes, palette, ranges, columns, units)


def prediction_of(sample: SegDataSample) -> Prediction:
    """The arrays of a sample.

    Args:
        sample: Result of a :class:`~mmseg_uncertainty.models.PosthocSegmentor`.
    """
    uncertainty = sample.get('uncertainty')
    sets = sample.get('prediction_set')
    flags = sample.get('flags')
    membership = None if sets is None else sets.get('membership')
    truth = sample.get('gt_sem_seg')
    return Prediction(
        labels=sample.pred_sem_seg.data[0].cpu().numpy(),
        uncertainty={} if uncertainty is None else {
            name: values[0].float().cpu().numpy() for name, values in uncertainty.items()},
        set_size=None if sets is None else sets.get('size')[0].cpu().numpy(),
        set_membership=None if membership is None else membership.cpu().numpy(),
        truth=None if truth is None else truth.data[0].cpu().numpy(),
        flags={} if flags is None else {name: values[0].cpu().numpy() for name, values in flags.items()})

"""A sample as plain arrays."""
from __future__ import annotations

from mmseg.structures import SegDataSample

from mmseg_uncertainty.runtime.prediction import Prediction


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

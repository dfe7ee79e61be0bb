"""What a posthoc model says about one image, and how a sample holds it."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_uncertainty.functional.class_distributions import ClassDistribution


@dataclass(frozen=True)
class ImageResult:
    """Maps of one image, or of a rectangle of it, at output size.

    Args:
        scores: Output of the base model, shape (1, C, H, W).
        logits: Class logits of the base model, shape (1, K, H, W).
        predicted: Predicted classes, shape (1, H, W), int64.
        distribution: What the logits mean.
        calibrated: Calibrated class logits, shape (1, K, H, W), or ``None``.
        uncertainty: Map of each head, shape (1, H, W).
        views: Name of the test-time augmentation that the maps are means of, ``''`` for none.
        membership: Which classes are in the prediction set, shape (1, K, H, W), bool, or ``None``.
        flags: Which pixels each decision flags, shape (1, H, W), bool.
        decisions: What each promises, in plain values.
        features: Mean feature of the image, shape (C,), or ``None``.
    """

    scores: Tensor
    logits: Tensor
    predicted: Tensor
    distribution: ClassDistribution
    calibrated: Tensor | None = None
    uncertainty: Mapping[str, Tensor] = field(default_factory=dict)
    views: str = ''
    membership: Tensor | None = None
    flags: Mapping[str, Tensor] = field(default_factory=dict)
    decisions: Mapping[str, Mapping] = field(default_factory=dict)
    features: Tensor | None = None


def write_result(result: ImageResult, sample: SegDataSample) -> SegDataSample:
    """Fill a sample.

    Returns:
        The sample with ``seg_logits`` and ``pred_sem_seg`` as mmseg has them and ``uncertainty`` (a map (1, H, W) per head);
        with decisions ``flags`` (a bool map (1, H, W) each); with a set head ``prediction_set`` (``membership`` (K, H, W) and
        ``size`` (1, H, W)); with a calibrator
        ``calibrated_logits`` (K, H, W) and, beside them or wherever ``seg_logits`` are no logits of a softmax,
        ``class_logits`` (K, H, W), those of the base model. Its metainfo says what the logits mean
        (``class_distribution``), which views were averaged (``test_time_views``), and, of a model that pools them, the mean
        feature of the image (``image_features``, shape (C,)).
    """
    uncertainty = PixelData()
    for name, values in result.uncertainty.items():
        uncertainty.set_field(values, name)
    fields = dict(seg_logits=PixelData(data=result.distribution.output(result.scores)[0]),
                  pred_sem_seg=PixelData(data=result.predicted), uncertainty=uncertainty)
    if result.calibrated is not None or result.distribution.name != 'softmax':
        fields['class_logits'] = PixelData(data=result.logits[0])
    if result.calibrated is not None:
        fields['calibrated_logits'] = PixelData(data=result.calibrated[0])
    if result.membership is not None:
        fields['prediction_set'] = PixelData(membership=result.membership[0],
                                             size=result.membership[0].sum(dim=0, keepdim=True))
    if result.flags:
        fields['flags'] = PixelData(**result.flags)
        sample.set_metainfo(dict(decisions=dict(result.decisions)))
    sample.set_data(fields)
    sample.set_metainfo(dict(class_distribution=result.distribution.name, test_time_views=result.views))
    if result.features is not None:
        sample.set_metainfo(dict(image_features=result.features))
    return sample


def check_finite(scores: Tensor, meta: Mapping) -> None:
    """Raise ``FloatingPointError`` where the output of the base model (1, C, H, W) is NaN or infinite."""
    if not scores.sum().isfinite() and not scores.isfinite().all():
        raise FloatingPointError(f'The base model returned {int((~scores.isfinite()).sum())} NaN or infinite logits for '
                                 f'{meta.get("img_path", "an image")}. Check its checkpoint and the normalization in '
                                 '`data_preprocessor`.')

"""Reads what evaluators need from a data sample, and names the image and the head of whatever does not fit."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmseg_uncertainty.functional.class_groups import merge_class_logits

IN_DISTRIBUTION, ANOMALY, VOID = 0, 1, 255


class SampleError(ValueError):
    """A data sample lacks a field, or a field does not fit; the message names image and head."""


def label_map(sample: dict) -> Tensor:
    """Ground truth, shape (H, W), integer."""
    try:
        return _plane(sample['gt_sem_seg']['data'])
    except KeyError:
        raise SampleError(f'{sample["img_path"]} has no labels. Add LoadAnnotations to the test pipeline, after the '
                          'transforms that resize the image.') from None


def predicted_classes(sample: dict) -> Tensor:
    """Predicted class of every pixel, shape (H, W), integer, on the device of the model."""
    return _plane(sample['pred_sem_seg']['data'])


def class_labels(sample: dict, classes: int, novel: Sequence[int] = ()) -> Tensor:
    """Ground truth with every value checked to be below ``classes`` or void, shape (H, W), uint8 where that holds it.

    Args:
        sample: One data sample.
        classes: Number of classes.
        novel: Further values, which become void.

    Raises:
        SampleError: If a label is outside the class range.
    """
    labels = label_map(sample)
    if novel:
        labels = labels.masked_fill(torch.isin(labels, torch.tensor(novel, device=labels.device)), VOID)
    lowest, highest = (int(value) for value in labels.aminmax()) if labels.numel() else (0, 0)
    if lowest >= 0 and highest <= VOID:
        labels = labels.to(torch.uint8)
    outside = ((labels < 0) | (labels >= classes)) & (labels != VOID)
    if outside.any():
        raise SampleError(f'{sample["img_path"]}: label {int(labels[outside][0])} is outside the {classes} classes (0 '
                          f'to {classes - 1}, {VOID} is void). Check label_map and classes of the dataset.')
    return labels


def merge_classes(sample: dict, groups: Sequence[int]) -> dict:
    """Turn predictions and logits of a model into those of the coarser classes of the dataset.

    Predictions become the group of the predicted class. Logits become those of the groups, so that probabilities add up.

    Args:
        sample: One data sample.
        groups: Group of each class of the model.

    Raises:
        SampleError: The model has another number of classes.
    """
    table = torch.tensor(groups)
    merged = dict(sample)
    for name in ('seg_logits', 'calibrated_logits'):
        if name not in sample:
            continue
        logits = sample[name]['data']
        if len(logits) != len(table):
            raise SampleError(f'{sample["img_path"]}: the model has {len(logits)} classes, and the dataset groups '
                              f'{len(table)}. Set model_classes of the dataset to the classes of the model.')
        merged[name] = dict(data=merge_class_logits(logits, table.to(logits.device)))
    if 'pred_sem_seg' in sample:
        predictions = sample['pred_sem_seg']['data']
        merged['pred_sem_seg'] = dict(data=table.to(predictions.device)[predictions.long()])
    return merged


def anomaly_labels(sample: dict) -> Tensor:
    """Ground truth with every value checked to be 0 (in-distribution), 1 (anomaly) or 255, shape (H, W), uint8.

    Raises:
        SampleError: If a label is none of these.
    """
    labels = label_map(sample)
    known = (labels == ANOMALY) | (labels == IN_DISTRIBUTION) | (labels == VOID)
    if not known.all():
        raise SampleError(f'{sample["img_path"]}: label {int(labels[~known][0])} is none of {IN_DISTRIBUTION} '
                          f'(in-distribution), {ANOMALY} (anomaly) and {VOID} (ignore). Convert the labels with '
                          'tools/dataset_converters, or set label_map of the dataset.')
    return labels.to(torch.uint8)


def score_maps(sample: dict, labels: Tensor | None = None) -> dict[str, Tensor]:
    """Uncertainty map of every head, each of shape (H, W).

    Args:
        sample: One data sample.
        labels: Ground truth whose size the maps must have.

    Raises:
        SampleError: If there is no head, or a map has another size than the labels.
    """
    fields = sorted(sample.get('uncertainty', {}).items())
    maps = {head: _plane(data) for head, data in fields if isinstance(data, Tensor)}
    if not maps:
        raise SampleError(f'{sample["img_path"]} carries no uncertainty map. Evaluate a PosthocSegmentor with '
                          'uncertainty_heads, for instance local_configs/_base_/posthoc/scores.py.')
    for head, scores in maps.items():
        if labels is not None and scores.shape != labels.shape:
            raise SampleError(f'{sample["img_path"]}: head {head!r} gave a map of {tuple(scores.shape)}, the labels '
                              f'have {tuple(labels.shape)}. Labels must keep the original size of the image; load them '
                              'after Resize in the test pipeline.')
    return maps


def non_finite_scores(sample: dict, head: str, scores: Tensor) -> SampleError:
    """The error for a map with NaN or infinite scores."""
    broken = int((~scores.isfinite()).sum())
    return SampleError(f'{sample["img_path"]}: head {head!r} gave {broken} NaN or infinite scores of {scores.numel()}. '
                       'A ranking of those means nothing; check the head, its checkpoint, and half precision.')


def _plane(data: Tensor) -> Tensor:
    return data.reshape(data.shape[-2:])

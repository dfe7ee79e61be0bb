"""Reads what evaluators need from a data sample, and names the image and the head of whatever does not fit."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from mmseg_uncertainty.functional import device_counts
from mmseg_uncertainty.functional.class_groups import merge_class_logits
from mmseg_uncertainty.functional.label_space import LabelSpace, equals_any
from mmseg_uncertainty.label_values import ANOMALY, IN_DISTRIBUTION, VOID

Check = Callable[[Tensor, Callable[..., Exception]], None]


class SampleError(ValueError):
    """A data sample lacks a field, or a field does not fit; the message names image and head."""


def label_map(sample: dict) -> Tensor:
    """Ground truth, shape (H, W), integer, on the device of the model."""
    try:
        labels = sample['gt_sem_seg']['data']
        if labels.numel() != labels.shape[-2:].numel():
            raise SampleError(f'{sample["img_path"]} has labels of the shape {tuple(labels.shape)}, expected one class '
                              'index per pixel. Convert colours to indices, or read them with LoadLabels, which names '
                              'the file.')
        labels = _plane(labels)
    except KeyError:
        raise SampleError(f'{sample["img_path"]} has no labels. Add LoadAnnotations to the test pipeline, after the '
                          'transforms that resize the image.') from None
    outputs = [sample.get('pred_sem_seg', {}).get('data'), *sample.get('uncertainty', {}).values()]
    device = next((output.device for output in outputs if isinstance(output, Tensor)), labels.device)
    return _moved(labels, device)


def predicted_classes(sample: dict) -> Tensor:
    """Predicted class of every pixel, shape (H, W), integer, on the device of the model."""
    predicted = _plane(sample['pred_sem_seg']['data'])
    # mmseg gives those of one sigmoid channel as floats.
    return predicted.long() if predicted.is_floating_point() else predicted


def class_labels(sample: dict, classes: int, novel: Sequence[int], check: Check) -> Tensor:
    """Ground truth with every value checked to be below ``classes`` or void, shape (H, W), uint8 where that holds all classes.

    Args:
        sample: One data sample.
        classes: Number of classes.
        novel: Further values, which become void.
        check: Where the error goes; see :meth:`StreamingMetric.check`. On a device wrong labels are void until then.

    Raises:
        SampleError: If a label is outside the class range.
    """
    labels = label_map(sample)
    if novel:
        labels = labels.masked_fill(equals_any(labels, novel), VOID)
    if classes <= VOID and device_counts.on_host(labels) and _fits_byte(labels):
        labels = labels.to(torch.uint8)
    labels = _refuse(labels, LabelSpace(classes), sample['img_path'], 'Check label_map and classes of the dataset.', check)
    return labels.to(torch.uint8) if classes <= VOID else labels


def _fits_byte(labels: Tensor) -> bool:
    lowest, highest = (int(value) for value in labels.aminmax()) if labels.numel() else (0, 0)
    return lowest >= 0 and highest <= VOID


def _refuse(labels: Tensor, space: LabelSpace, path: str, advice: str, check: Check) -> Tensor:
    """Check that no label is wrong; on a device wrong ones become void, and the host learns their number and the first."""
    wrong = space.wrong(labels)
    if device_counts.on_host(labels) and not wrong.any():
        return labels
    first = labels.reshape(-1).gather(0, wrong.reshape(-1).to(torch.uint8).argmax(dim=0, keepdim=True))
    check(torch.cat([wrong.sum()[None], first]), partial(_wrong_labels, space, path, advice, labels.numel()))
    return labels.masked_fill(wrong, VOID)


def _wrong_labels(space: LabelSpace, path: str, advice: str, pixels: int, wrong: int, label: int) -> SampleError:
    return SampleError(f'{path}: {space.complaint(f"such as {label}", wrong, pixels)} {advice}')


def merge_classes(sample: dict, groups: Sequence[int]) -> dict:
    """Turn predictions and logits of a model into those of the coarser classes of the dataset.

    Predictions become the group of the predicted class. Logits become those of the groups, so that probabilities add up.

    Args:
        sample: One data sample.
        groups: Group of each class of the model.

    Raises:
        SampleError: The model has another number of classes.
    """
    merged = dict(sample)
    for name in ('class_logits' if 'class_logits' in sample else 'seg_logits', 'calibrated_logits'):
        if name not in sample:
            continue
        logits = sample[name]['data']
        if len(logits) != len(groups):
            raise SampleError(f'{sample["img_path"]}: the model has {len(logits)} classes, and the dataset groups '
                              f'{len(groups)}. Set model_classes of the dataset to the classes of the model.')
        merged[name] = dict(data=merge_class_logits(logits, groups))
    if 'pred_sem_seg' in sample:
        predictions = sample['pred_sem_seg']['data']
        merged['pred_sem_seg'] = dict(data=_moved(torch.tensor(groups), predictions.device)[predictions.long()])
    return merged


def anomaly_labels(sample: dict, check: Check) -> Tensor:
    """Ground truth with every value checked to be 0 (in-distribution), 1 (anomaly) or 255, shape (H, W), uint8.

    Args:
        sample: One data sample.
        check: See :func:`class_labels`.

    Raises:
        SampleError: If a label is none of these.
    """
    advice = (f'{IN_DISTRIBUTION} is in-distribution, {ANOMALY} an anomaly: convert the labels with '
              'tools/dataset_converters, or set label_map of the dataset.')
    return _refuse(label_map(sample), LabelSpace(2), sample['img_path'], advice, check).to(torch.uint8)


def score_maps(sample: dict, labels: Tensor | None = None) -> dict[str, Tensor]:
    """Uncertainty map of every head, each of shape (H, W), on the device of the labels where they are given.

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
    return maps if labels is None else {head: _moved(scores, labels.device) for head, scores in maps.items()}


def decisions_of(sample: dict) -> dict[str, dict]:
    """What each decision promises, by name in their order.

    Raises:
        SampleError: The sample carries no flags.
    """
    if not sample.get('flags'):
        raise SampleError(f'{sample["img_path"]} carries no flags. Evaluate a PosthocSegmentor with decisions, without --tta, '
                          'whose mean of views no promise was made for.')
    return {name: sample['decisions'][name] for name in sorted(sample['flags'].keys())}


def check_scores(sample: dict, head: str, scores: Tensor, counted: Tensor, check: Check) -> None:
    """Check that scores are neither NaN nor infinite.

    Args:
        sample: One data sample.
        head: Which head gave them.
        scores: Shape (H, W).
        counted: Which scores matter, shape (H, W), bool.
        check: See :func:`class_labels`.

    Raises:
        SampleError: If a score that matters is NaN or infinite.
    """
    broken = counted & ~scores.isfinite()
    check(torch.stack([broken.sum(), counted.sum()]), partial(_non_finite_scores, sample['img_path'], head))


NO_ANOMALY_ADVICE = f' {VOID} is void, so masks of {IN_DISTRIBUTION} and {VOID} hold no anomaly; write anomalies as {ANOMALY}.'


def _non_finite_scores(path: str, head: str, broken: int, total: int) -> SampleError:
    return SampleError(f'{path}: head {head!r} gave {broken} NaN or infinite scores of {total}. A ranking of those means '
                       'nothing; check the head, its checkpoint, and half precision.')


def _moved(data: Tensor, device: torch.device) -> Tensor:
    # What is queued for a device is there when it is used; what is queued for the host need not be.
    return data.to(device, non_blocking=device.type != 'cpu')


def _plane(data: Tensor) -> Tensor:
    return data.reshape(data.shape[-2:])

r"""Segmentation with a reject option: intersection over union when uncertain pixels become the class "unknown".

Counts are per predicted class c and outcome: right, wrong (the label is another known class) and unknown (the label is
none of the known classes). Ground truth is never edited: a pixel that is rejected by mistake stays in the union of its
class.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from . import device_counts
from .ranking import best_f1, ratio

RIGHT, WRONG, UNKNOWN = range(3)
OUTCOMES = 3


@dataclass(frozen=True)
class OpenSetScores:
    """Quality of a segmentation with a reject option.

    Args:
        iou: Intersection over union of the known classes and, last, of "unknown"; shape (\\*, K + 1), in [0, 1], NaN
            for a class that neither occurs nor is predicted.
        accuracy: Recall of the same classes.
        kept: Share of the pixels that is not rejected, shape (\\*).
    """

    iou: np.ndarray
    accuracy: np.ndarray
    kept: np.ndarray


def outcome_groups(predictions: Tensor, labels: Tensor, classes: int, void: str) -> Tensor:
    """Predicted class and outcome of each pixel as one number, ``outcome * classes + prediction``.

    Args:
        predictions: Predicted classes in [0, classes).
        labels: True classes in [0, classes), anything else is void.
        classes: Number of known classes K.
        void: ``'ignore'`` drops void pixels (group -1), ``'unknown'`` takes them as unknown objects.

    Returns:
        Same shape, int32 in [-1, 3 K), on the device of the arguments.

    Examples:
        >>> predictions, labels = torch.tensor([0, 1, 1]), torch.tensor([0, 0, 255])
        >>> outcome_groups(predictions, labels, classes=2, void='unknown').tolist()  # right 0, wrong 2 + 1, unknown 4 + 1
        [0, 3, 5]
    """
    if device_counts.on_host(labels):
        return torch.from_numpy(_groups_of_arrays(predictions.numpy(), labels.numpy(), classes, void))
    unknown = (labels < 0) | (labels >= classes)
    predicted = predictions.int()
    groups = predicted + torch.where(predictions == labels, RIGHT * classes, WRONG * classes).int()
    return groups.where(~unknown, -1 if void == 'ignore' else predicted + UNKNOWN * classes)


def _groups_of_arrays(predictions: np.ndarray, labels: np.ndarray, classes: int, void: str) -> np.ndarray:
    groups = predictions.astype(np.int32)
    unknown = (labels < 0) | (labels >= classes)
    groups += np.where(predictions == labels, np.int32(RIGHT * classes), np.int32(WRONG * classes))
    groups[unknown] = -1 if void == 'ignore' else predictions[unknown] + UNKNOWN * classes
    return groups


def open_set_scores(rejected: np.ndarray, total: np.ndarray, labels: np.ndarray) -> OpenSetScores:
    """Scores from pixels per outcome and predicted class.

    Args:
        rejected: Rejected pixels, shape (\\*, 3, K).
        total: All pixels, shape (\\*, 3, K), or a shape that broadcasts to it.
        labels: Pixels per true known class, shape (\\*, K).

    Examples:
        >>> total = [[6], [0], [4]]  # one class: six right pixels, four of unknown objects
        >>> scores = open_set_scores(rejected=[[0], [0], [3]], total=total, labels=[6])
        >>> scores.iou.round(4).tolist(), float(scores.kept)  # 6 / (6 + 1 missed), 3 / 4
        ([0.8571, 0.75], 0.7)
    """
    rejected, total, labels = (np.asarray(part, float) for part in (rejected, total, labels))
    kept = total - rejected
    hits, claimed = kept[..., RIGHT, :], kept.sum(-2)
    found, refused = rejected[..., UNKNOWN, :].sum(-1), rejected.sum((-2, -1))
    unknown = np.broadcast_to(total[..., UNKNOWN, :].sum(-1), found.shape)
    intersection = np.concatenate([hits, found[..., None]], -1)
    present = np.concatenate([np.broadcast_to(labels, hits.shape), unknown[..., None]], -1)
    claimed = np.concatenate([claimed, refused[..., None]], -1)
    union = present + claimed - intersection
    return OpenSetScores(ratio(intersection, union), ratio(intersection, present),
                         ratio(kept.sum((-2, -1)), total.sum((-2, -1))))


def open_set_curve(counts: np.ndarray, labels: np.ndarray) -> OpenSetScores:
    """Scores at every threshold.

    Args:
        counts: Pixels per group and score bin, from the most to the least uncertain bin, shape (3 K, B).
        labels: Pixels per true known class, shape (K,).

    Returns:
        Scores with leading dimension B: entry b rejects bins 0..b.

    Examples:
        >>> counts = np.array([[0, 6], [0, 0], [3, 1]])  # right, wrong, unknown pixels of one class in two bins
        >>> open_set_curve(counts, labels=np.array([6])).iou.round(4).tolist()  # the first bin rejected, then both
        [[0.8571, 0.75], [0.0, 0.4]]
    """
    bins = counts.shape[-1]
    rejected = np.cumsum(counts, axis=-1).T.reshape(bins, OUTCOMES, -1)
    return open_set_scores(rejected, counts.sum(-1).reshape(OUTCOMES, -1), labels)


def open_set_limits(fewest: np.ndarray, most: np.ndarray, total: np.ndarray,
                    labels: np.ndarray) -> tuple[OpenSetScores, OpenSetScores]:
    """Lowest and highest scores if each outcome of each predicted class is rejected between ``fewest`` and ``most`` times.

    A known class fares best where its right pixels are kept and all others rejected, "unknown" where unknown pixels are
    rejected and all others kept.

    Args:
        fewest: Shape (\\*, 3, K).
        most: Shape (\\*, 3, K).
        total: As in :func:`open_set_scores`.
        labels: As in :func:`open_set_scores`.

    Examples:
        >>> lowest, highest = open_set_limits([[0], [0], [3]], [[0], [0], [4]], total=[[6], [0], [4]], labels=[6])
        >>> lowest.iou.round(4).tolist(), highest.iou.round(4).tolist()
        ([0.8571, 0.75], [1.0, 1.0])
    """
    right, unknown = (np.arange(OUTCOMES)[:, None] == outcome for outcome in (RIGHT, UNKNOWN))
    limits = []
    for low, high in ((most, fewest), (fewest, most)):
        known = open_set_scores(np.where(right, low, high), total, labels)
        other = open_set_scores(np.where(unknown, high, low), total, labels)
        iou, accuracy = (np.concatenate([getattr(known, name)[..., :-1], getattr(other, name)[..., -1:]], -1)
                         for name in ('iou', 'accuracy'))
        limits.append(OpenSetScores(iou, accuracy, open_set_scores(low, total, labels).kept))
    return limits[0], limits[1]


def threshold_bin(positives: np.ndarray, negatives: np.ndarray, criterion: str = 'best_f1') -> int:
    """Last bin to reject, chosen on a calibration split.

    Args:
        positives: Pixels that are not right, per score bin from the most to the least uncertain one, shape (B,).
        negatives: Pixels that are right, shape (B,).
        criterion: ``'best_f1'`` maximizes F1 of finding pixels that are not right, ``'tpr95'`` rejects 95 % of them.

    Examples:
        >>> threshold_bin(np.array([3, 1, 0]), np.array([0, 1, 3]))
        1
    """
    if criterion == 'best_f1':
        return int(best_f1(positives, negatives)[1])
    reached = np.cumsum(positives) >= 0.95 * positives.sum()
    return int(reached.argmax())


def published_areas(rejected: np.ndarray, total: np.ndarray) -> dict[str, np.ndarray]:
    """Pixel areas as the released FlowEneDet code counts them, for comparison only.

    Its ground truth is rewritten: every pixel whose arg-max differs from its label, void included, is labelled
    "unknown", so a missed pixel of a class never counts against it.

    Args:
        rejected: Rejected pixels that are right and that are not, per predicted class, shape (2, K), int64.
        total: All of them, shape (2, K), int64.

    Returns:
        ``intersect``, ``union``, ``pred_label``, ``label``, each of shape (K + 1,), "unknown" last.
    """
    kept = total - rejected
    intersect = np.r_[kept[0], rejected[1].sum()]
    predicted = np.r_[kept.sum(0), rejected.sum()]
    label = np.r_[total[0], total[1].sum()]
    return dict(intersect=intersect, union=predicted + label - intersect, pred_label=predicted, label=label)

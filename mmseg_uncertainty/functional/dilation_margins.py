"""How far the mask of a class has to be dilated until it holds the truth, for models that give labels and no scores.

Mossina and Friedrich, "Conformal prediction for image segmentation using morphological prediction sets", MICCAI 2025.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from .conformal_losses import ConformityTable, StepLoss, binary_loss, concatenate_tables, miscoverage_loss
from .risk_control import ControlledThreshold, RiskTarget, control_risk

STRUCTURES = ('disk', 'square', 'diamond')
NEVER = -1


def dilation_steps(mask: np.ndarray, structure: str = 'disk') -> np.ndarray:
    """Smallest dilation of a mask that reaches each pixel.

    Args:
        mask: Shape (H, W), bool.
        structure: ``'disk'`` dilates by Euclidean distance, ``'square'`` by steps to all eight neighbours, ``'diamond'`` to four.

    Returns:
        Shape (H, W), int64: the radius, for ``'disk'`` its square; :data:`NEVER` everywhere where the mask is empty.

    Raises:
        ValueError: The structure is unknown.

    Examples:
        >>> mask = np.zeros((3, 3), bool)
        >>> mask[0, 0] = True
        >>> [int(dilation_steps(mask, structure)[2, 1]) for structure in ('disk', 'square', 'diamond')]
        [5, 2, 3]
    """
    if structure not in STRUCTURES:
        raise ValueError(f'structure={structure!r} is unknown; choose from {STRUCTURES}.')
    if not mask.any():
        return np.full(mask.shape, NEVER, dtype=np.int64)
    if structure == 'disk':
        return np.rint(ndimage.distance_transform_edt(~mask)**2).astype(np.int64)
    metric = dict(square='chessboard', diamond='taxicab')[structure]
    return ndimage.distance_transform_cdt(~mask, metric).astype(np.int64)


def conformity_of_steps(steps: Sequence[float] | np.ndarray) -> np.ndarray:
    """Conformity 1 / (1 + step) in [0, 1], 0 where no dilation reaches; :func:`steps_of_threshold` undoes it.

    Examples:
        >>> conformity_of_steps([0, 1, 3, NEVER]).tolist()
        [1.0, 0.5, 0.25, 0.0]
    """
    distance = np.asarray(steps, np.float64)
    return np.where(distance >= 0, 1 / (1 + np.maximum(distance, 0)), 0.0)


def steps_of_threshold(thresholds: float | Sequence[float] | np.ndarray) -> np.ndarray:
    """Dilation at which a pixel of this conformity is reached; infinity at 0.

    Examples:
        >>> steps_of_threshold([1.0, 0.25, 0.0]).tolist()
        [0.0, 3.0, inf]
    """
    thresholds = np.asarray(thresholds, np.float64)
    return np.where(thresholds > 0, np.rint(1 / np.where(thresholds > 0, thresholds, 1.0) - 1), np.inf)


def radius_of_steps(steps: float | np.ndarray, structure: str = 'disk') -> np.ndarray:
    """Radius in pixels.

    Examples:
        >>> radius_of_steps([0, 9, np.inf]).tolist(), radius_of_steps([0, 9, np.inf], 'square').tolist()
        ([0.0, 3.0, inf], [0.0, 9.0, inf])
    """
    steps = np.asarray(steps, np.float64)
    return np.sqrt(steps) if structure == 'disk' else steps


def tabulate_margins(predicted: np.ndarray, labels: np.ndarray, num_classes: int, structure: str = 'disk') -> ConformityTable:
    """Tabulate how far each labelled pixel lies from the predicted mask of its class, in one distance transform per class.

    Args:
        predicted: Predicted classes, shape (N, H, W), 0..K-1.
        labels: Shape (N, H, W); values outside 0..K-1 are void, in the labels only.
        num_classes: K.
        structure: See :func:`dilation_steps`.

    Returns:
        Conformities in float64, equal ones of an image and class in one row.

    Raises:
        ValueError: Shapes differ.

    Examples:
        >>> table = tabulate_margins(np.array([[[0, 1, 1, 1]]]), labels=np.array([[[0, 0, 0, 255]]]), num_classes=2)
        >>> table.conformity.tolist(), table.pixels.tolist()  # one pixel at distance 1, one at 2, whose square is 4
        ([0.2, 0.5], [[3, 0]])
    """
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if predicted.shape != labels.shape or predicted.ndim != 3:
        raise ValueError(f'tabulate_margins: predicted classes have the shape {predicted.shape} and labels {labels.shape}; give '
                         'both as (N, H, W), at one size.')
    return concatenate_tables([_image_table(*maps, num_classes, structure) for maps in zip(predicted, labels)])


def _image_table(predicted: np.ndarray, labels: np.ndarray, num_classes: int, structure: str) -> ConformityTable:
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    pixels = np.zeros((1, num_classes), np.int64)
    for label in range(num_classes):
        truth = labels == label
        pixels[0, label] = truth.sum()
        if pixels[0, label]:
            values, counts = np.unique(conformity_of_steps(dilation_steps(predicted == label, structure)[truth]),
                                       return_counts=True)
            kept = values < 1
            rows.append((np.full(kept.sum(), label), values[kept], counts[kept]))
    labelled, conformity, count = (np.concatenate(part) for part in zip(*rows)) if rows else [np.empty(0)] * 3
    return ConformityTable(np.zeros(len(labelled), np.int64), labelled.astype(np.int64), conformity.astype(np.float64),
                           count.astype(np.int64), pixels)


def margin_loss(table: ConformityTable, label: int, coverage: float | None = None) -> StepLoss:
    r"""Loss of the dilated mask of one class, over the images whose truth has it.

    Args:
        table: See :func:`tabulate_margins`.
        label: Class, in 0..K-1.
        coverage: :math:`\tau`: the loss is whether less than this share of the truth is covered; ``None`` takes the uncovered share
            itself.

    Returns:
        Loss in [0, 1] as a function of the conformity.

    Examples:
        >>> table = tabulate_margins(np.array([[[0, 1, 1, 1]]]), labels=np.array([[[0, 0, 0, 255]]]), num_classes=2)
        >>> margin_loss(table, 0).at(conformity_of_steps([0, 1, 4])).round(2).tolist()
        [[0.67, 0.33, 0.0]]
        >>> margin_loss(table, 0, coverage=0.6).at(conformity_of_steps([0, 1, 4])).tolist()
        [[1.0, 0.0, 0.0]]
    """
    own = table.label == label
    alone = ConformityTable(table.image[own], np.zeros(own.sum(), np.int64), table.conformity[own], table.count[own],
                            table.pixels[:, [label]])
    return miscoverage_loss(alone) if coverage is None else binary_loss(alone, coverage)


def control_margins(table: ConformityTable, target: RiskTarget, coverage: float | None = None,
                    repeats: np.ndarray | None = None) -> tuple[np.ndarray, list[ControlledThreshold]]:
    r"""Smallest dilation of each class with a promise for a further image whose truth has it.

    With ``coverage`` and conformal risk control the step of a class is the :math:`\lceil (n + 1)(1 - \alpha) \rceil`-th smallest of
    those that its n images need.

    Args:
        table: See :func:`tabulate_margins`.
        target: The promise.
        coverage: See :func:`margin_loss`.
        repeats: How often each image counts, shape (n,).

    Returns:
        Steps, shape (K,), float64, infinite where the images do not suffice; and the result of each class.

    Examples:
        >>> predicted = np.zeros((9, 1, 12), int)
        >>> predicted[:, 0, 0] = 1
        >>> labels = np.stack([np.arange(12) <= reach for reach in range(9)])[:, None].astype(int)
        >>> steps, _ = control_margins(tabulate_margins(predicted, labels, 2, 'square'), RiskTarget(0.2), coverage=1.0)
        >>> float(steps[1])  # the eighth of 0, 1, ..., 8
        7.0
    """
    results = [control_risk(margin_loss(table, label, coverage), target, repeats) for label in range(table.pixels.shape[1])]
    return steps_of_threshold([result.threshold for result in results]), results


def dilated_sets(predicted: np.ndarray, steps: Sequence[float] | np.ndarray, structure: str = 'disk') -> np.ndarray:
    """Sets of all classes whose dilated mask covers a pixel; the predicted class is always one of them.

    Args:
        predicted: Predicted classes, shape (N, H, W).
        steps: Dilation of each class, shape (K,), as :func:`control_margins` gives them.
        structure: See :func:`dilation_steps`.

    Returns:
        Shape (N, K, H, W), bool.

    Examples:
        >>> dilated_sets(np.array([[[0, 0, 0, 1]]]), steps=[0, 1, np.inf]).astype(int)[0, :, 0].tolist()
        [[1, 1, 1, 0], [0, 0, 1, 1], [1, 1, 1, 1]]
    """
    predicted = np.asarray(predicted)
    sets = np.empty((len(predicted), len(steps), *predicted.shape[1:]), dtype=bool)
    for index, labels in enumerate(predicted):
        for label, step in enumerate(steps):
            mask = labels == label
            if np.isinf(step):
                sets[index, label] = True
            elif step == 0 or not mask.any():
                sets[index, label] = mask
            else:
                sets[index, label] = dilation_steps(mask, structure) <= step
    return sets

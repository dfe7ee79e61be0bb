"""Image-level losses of prediction sets as exact step functions of the threshold, from one pass over the images."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .prediction_sets import class_counts

FLOAT32_MANTISSA_BITS = 23


@dataclass(frozen=True)
class ConformityTable:
    """Everything that losses of nested sets depend on, for any number of images.

    A pixel is covered at a threshold where the conformity of its label reaches it. Pixels of conformity 1 are always
    covered and only counted; the others are the rows of the table.

    Args:
        image: Index of the image of each row, shape (M,), int64.
        label: Class of each row, shape (M,), int64.
        conformity: Conformity of the label, shape (M,), float, in [0, 1).
        count: Number of pixels each row stands for, shape (M,), int64.
        pixels: Labelled pixels of each class in each image, shape (n, K), int64.
    """

    image: np.ndarray
    label: np.ndarray
    conformity: np.ndarray
    count: np.ndarray
    pixels: np.ndarray

    @property
    def num_images(self) -> int:
        """Number of images, void-only ones included."""
        return len(self.pixels)


@dataclass(frozen=True)
class StepLoss:
    r"""Losses :math:`L_i(q) = \sum_{j : u_j < q} w_{j}` of the images i at the threshold :math:`q = 1 - \lambda`.

    They grow with the threshold, so they fall with :math:`\lambda`. Rows are sorted by conformity.

    Args:
        image: Index of the image of each row, shape (M,), int64.
        conformity: Threshold above which the row is lost, shape (M,), float64, ascending.
        weight: Loss that the row adds, shape (M,), float64.
        defined: Whether an image has a loss (it has labelled pixels of the classes concerned), shape (n,), bool.
        bound: Largest value that the loss of an image can take.

    Examples:
        >>> loss = StepLoss(image=np.array([0, 0]), conformity=np.array([0.2, 0.6]), weight=np.array([0.5, 0.25]),
        ...                 defined=np.array([True]))
        >>> loss.at([0.1, 0.5, 1.0]).tolist()
        [[0.0, 0.5, 0.75]]
    """

    image: np.ndarray
    conformity: np.ndarray
    weight: np.ndarray
    defined: np.ndarray
    bound: float = 1.0

    def at(self, thresholds: Sequence[float] | np.ndarray) -> np.ndarray:
        """Loss of every image at some thresholds.

        Args:
            thresholds: Shape (Q,), in [0, 1], in any order.

        Returns:
            Shape (n, Q), float64; NaN for images without a defined loss.
        """
        thresholds = np.asarray(thresholds, dtype=np.float64)
        order = np.argsort(thresholds)
        ends = np.searchsorted(self.conformity, thresholds[order], side='left')
        losses = np.empty((len(self.defined), len(thresholds)))
        total, start = np.zeros(len(self.defined)), 0
        for column, end in zip(order, ends):
            total += np.bincount(self.image[start:end], self.weight[start:end], minlength=len(total))
            losses[:, column], start = total, end
        losses[~self.defined] = np.nan
        return losses


def tabulate(conformity: Tensor,
             labels: Tensor,
             num_classes: int,
             mantissa_bits: int = FLOAT32_MANTISSA_BITS) -> ConformityTable:
    """Tabulate one batch of images.

    Args:
        conformity: Conformity of the label of every pixel, shape (N, \\*), in [0, 1]; ignored where void.
        labels: Shape (N, \\*), integer; values outside 0..K-1 are void.
        num_classes: K.
        mantissa_bits: Bits of precision kept in the conformities, in 1..23. Fewer bits merge rows; conformities are
            rounded down, which can only make the sets larger.

    Returns:
        The table of these images.

    Raises:
        ValueError: A conformity of a labelled pixel is not in [0, 1].

    Examples:
        >>> table = tabulate(torch.tensor([[1.0, 0.5, 0.4]]), labels=torch.tensor([[0, 1, 255]]), num_classes=2)
        >>> table.pixels.tolist(), table.conformity.tolist()  # the first is always covered, the last has no label
        ([[1, 1]], [0.5])
    """
    labels, conformity = labels.flatten(1).long(), conformity.flatten(1).float()
    labelled = (labels >= 0) & (labels < num_classes)
    if not bool(((conformity >= 0) & (conformity <= 1))[labelled].all()):
        raise ValueError('tabulate: conformities must lie in [0, 1]; check the probabilities for NaN.')
    image, pixel = torch.nonzero(labelled & (conformity < 1), as_tuple=True)
    kept = _round_down(conformity[image, pixel].cpu().numpy(), mantissa_bits)
    table = ConformityTable(image.cpu().numpy(), labels[image, pixel].cpu().numpy(), kept,
                            np.ones(len(kept), dtype=np.int64), class_counts(labels, num_classes).cpu().numpy())
    return table if mantissa_bits >= FLOAT32_MANTISSA_BITS else _merge_equal_rows(table)


def concatenate_tables(tables: Sequence[ConformityTable]) -> ConformityTable:
    """Append tables of different images.

    Args:
        tables: At least one table; images are renumbered in this order.

    Returns:
        The table of all images.

    Examples:
        >>> table = tabulate(torch.tensor([[0.5]]), labels=torch.tensor([[0]]), num_classes=1)
        >>> concatenate_tables([table, table, table]).image.tolist()
        [0, 1, 2]
    """
    offsets = np.cumsum([0] + [table.num_images for table in tables[:-1]])
    return ConformityTable(
        np.concatenate([table.image + offset for table, offset in zip(tables, offsets)]),
        *(np.concatenate([getattr(table, field) for table in tables])
          for field in ('label', 'conformity', 'count', 'pixels')))


def select_images(table: ConformityTable, images: np.ndarray) -> ConformityTable:
    """Keep some images, in the given order.

    Args:
        table: Table of n images.
        images: Distinct image indices, shape (m,).

    Returns:
        Table of m images.

    Examples:
        >>> table = tabulate(torch.tensor([[0.5], [0.25]]), labels=torch.tensor([[0], [0]]), num_classes=1)
        >>> select_images(table, np.array([1])).conformity.tolist()
        [0.25]
    """
    position = np.full(table.num_images, -1)
    position[images] = np.arange(len(images))
    rows = position[table.image] >= 0
    return ConformityTable(position[table.image[rows]], table.label[rows], table.conformity[rows], table.count[rows],
                           table.pixels[images])


def miscoverage_loss(table: ConformityTable, class_weights: Sequence[float] | None = None) -> StepLoss:
    r"""Share of the labelled pixels whose label is not in the set.

    With weights :math:`w`, :math:`L_i = \sum_j w_{y_j} 1[y_j \notin C(j)] / \sum_j w_{y_j}`; one class alone gives its
    false-negative rate in the images that contain it.

    Args:
        table: Table of n images.
        class_weights: One weight per class, at least 0; ``None`` weighs all pixels the same.

    Returns:
        Loss in [0, 1].

    Raises:
        ValueError: The weights do not fit the classes, are negative or all zero.

    Examples:
        >>> table = tabulate(torch.tensor([[0.9, 0.7, 0.3, 0.1]]), labels=torch.tensor([[0, 0, 1, 1]]), num_classes=2)
        >>> miscoverage_loss(table).at([0.0, 0.2, 0.5, 1.0]).tolist()
        [[0.0, 0.25, 0.5, 1.0]]
        >>> miscoverage_loss(table, class_weights=[1, 3]).at([0.5]).tolist()
        [[0.75]]
    """
    weights = np.ones(table.pixels.shape[1]) if class_weights is None else np.asarray(class_weights, dtype=np.float64)
    if weights.shape != table.pixels.shape[1:] or (weights < 0).any() or not weights.any():
        raise ValueError(f'miscoverage_loss: {len(weights)} class weights for {table.pixels.shape[1]} classes; give one '
                         'per class, at least 0 and not all 0.')
    total = table.pixels @ weights
    rows = weights[table.label] > 0
    image = table.image[rows]
    return _sorted_loss(image, table.conformity[rows], table.count[rows] * weights[table.label[rows]] / total[image],
                        total > 0)


def class_miss_loss(table: ConformityTable, label: int) -> StepLoss:
    """False-negative rate of one class in the images that contain it.

    Args:
        table: Table of n images.
        label: Class, in 0..K-1.

    Returns:
        Loss in [0, 1].

    Raises:
        ValueError: There is no such class.

    Examples:
        >>> table = tabulate(torch.tensor([[0.9, 0.7, 0.3, 0.1]]), labels=torch.tensor([[0, 0, 1, 1]]), num_classes=2)
        >>> class_miss_loss(table, label=1).at([0.2, 0.5]).tolist()
        [[0.5, 1.0]]
    """
    if not 0 <= label < table.pixels.shape[1]:
        raise ValueError(f'class_miss_loss: label={label} must lie in 0..{table.pixels.shape[1] - 1}.')
    return miscoverage_loss(table, np.arange(table.pixels.shape[1]) == label)


def binary_loss(table: ConformityTable, coverage: float = 1.0) -> StepLoss:
    r"""Whether the covered share of an image falls below :math:`\tau`; :math:`\tau = 1` asks for every pixel.

    Mossina et al., "Conformal semantic image segmentation: post-hoc quantification of predictive uncertainty", 2024.

    Args:
        table: Table of n images.
        coverage: :math:`\tau`, in (0, 1].

    Returns:
        Loss in {0, 1}: one row per image, at the critical conformity of the image.

    Raises:
        ValueError: ``coverage`` is not in (0, 1].

    Examples:
        >>> table = tabulate(torch.tensor([[0.9, 0.7, 0.3, 0.1]]), labels=torch.tensor([[0, 0, 1, 1]]), num_classes=2)
        >>> binary_loss(table, coverage=0.75).at([0.2, 0.5]).tolist()  # three, then two of four pixels are covered
        [[0.0, 1.0]]
    """
    if not 0 < coverage <= 1:
        raise ValueError(f'binary_loss: coverage={coverage} must lie in (0, 1].')
    total = table.pixels.sum(axis=1)
    tolerated = total - np.ceil(coverage * total - 1e-9).astype(np.int64)
    order = np.lexsort((table.conformity, table.image))
    image, count = table.image[order], table.count[order]
    lost = np.cumsum(count)
    before = np.concatenate([[0], np.cumsum(np.bincount(image, count, len(total)).astype(np.int64))])[image]
    critical = (lost - before > tolerated[image]) & (lost - before - count <= tolerated[image])
    return _sorted_loss(image[critical], table.conformity[order][critical], np.ones(critical.sum()), total > 0)


def image_loss(table: ConformityTable, loss: str = 'miscoverage', **options) -> StepLoss:
    """Build a loss by its name in :data:`LOSSES`.

    Args:
        table: Table of n images.
        loss: ``'miscoverage'``, ``'class_miss'`` or ``'binary'``.
        options: Arguments of the loss.

    Returns:
        The loss of every image.

    Raises:
        ValueError: The name is unknown.

    Examples:
        >>> table = tabulate(torch.tensor([[0.9, 0.7, 0.3, 0.1]]), labels=torch.tensor([[0, 0, 1, 1]]), num_classes=2)
        >>> image_loss(table, 'class_miss', label=1).at([0.2]).tolist()
        [[0.5]]
    """
    if loss not in LOSSES:
        raise ValueError(f'image_loss: loss={loss!r} is unknown; choose from {tuple(LOSSES)}.')
    return LOSSES[loss](table, **options)


def check_loss(num_classes: int, **loss) -> None:
    """Check the name and the options of a loss before there is any image.

    Args:
        num_classes: K.
        loss: Arguments of :func:`image_loss` besides the table.

    Raises:
        ValueError: The name or an option is unknown or out of range.

    Examples:
        >>> check_loss(num_classes=3, loss='class_miss', label=5)
        Traceback (most recent call last):
        ValueError: class_miss_loss: label=5 must lie in 0..2.
    """
    nothing = np.zeros(0, dtype=np.int64)
    pixels = np.zeros((0, num_classes), dtype=np.int64)
    empty = ConformityTable(nothing, nothing, np.zeros(0, np.float32), nothing, pixels)
    try:
        image_loss(empty, **loss)
    except TypeError as error:
        raise ValueError(f'loss {loss}: {error}. Options: class_weights (miscoverage), coverage (binary), label '
                         '(class_miss).') from error


LOSSES = dict(miscoverage=miscoverage_loss, class_miss=class_miss_loss, binary=binary_loss)


def _sorted_loss(image: np.ndarray, conformity: np.ndarray, weight: np.ndarray, defined: np.ndarray) -> StepLoss:
    order = np.lexsort((weight, conformity))
    return StepLoss(image[order], conformity[order].astype(np.float64), weight[order], defined)


def _round_down(values: np.ndarray, mantissa_bits: int) -> np.ndarray:
    """Cut non-negative float32 numbers to some bits of mantissa, towards zero."""
    mask = np.uint32(0xFFFFFFFF << (FLOAT32_MANTISSA_BITS - mantissa_bits) & 0xFFFFFFFF)
    return (values.view(np.uint32) & mask).view(np.float32)


def _merge_equal_rows(table: ConformityTable) -> ConformityTable:
    rows = np.rec.fromarrays([table.image, table.label, table.conformity])
    unique, count = np.unique(rows, return_counts=True)
    return ConformityTable(unique.f0, unique.f1, unique.f2, count.astype(np.int64), table.pixels)

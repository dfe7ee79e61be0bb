r"""Component-level anomaly segmentation: does a mask find each object, rather than each pixel?

Chan et al., "SegmentMeIfYouCan: A Benchmark for Anomaly Segmentation", NeurIPS 2021 Datasets and Benchmarks, section 3.
Components are 8-connected. Sizes and comparisons are those of the benchmark's own code where the paper leaves them open: a
pixel is predicted where ``score > threshold``, and an object is found where ``sIoU >= level``.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

OVERLAPS = np.arange(25, 80, 5) / 100


@dataclass(frozen=True)
class ComponentTrack:
    """Sizes below which components do not count.

    Args:
        smallest_prediction: Least number of pixels of a predicted component; smaller ones vanish.
        smallest_truth: Least number of pixels of a true component; smaller ones become void.
    """

    smallest_prediction: int
    smallest_truth: int


TRACKS = {'anomaly': ComponentTrack(500, 100), 'obstacle': ComponentTrack(50, 10)}


@dataclass(frozen=True)
class ComponentOverlaps:
    """How true and predicted components of one image overlap.

    Args:
        adjusted_iou: sIoU of every true component, shape (m,), in [0, 1].
        precision: PPV of every predicted component, shape (n,), in [0, 1].
        pixels: Size of every true component, shape (m,), int64; empty where it was not asked for.
    """

    adjusted_iou: np.ndarray
    precision: np.ndarray
    pixels: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))


def connected_components(mask: np.ndarray, smallest: int = 0) -> tuple[np.ndarray, int]:
    """Number the 8-connected components of a mask from 1, those of fewer than ``smallest`` pixels dropped.

    Args:
        mask: Shape (H, W), bool.
        smallest: Least number of pixels.

    Returns:
        Component of each pixel (0 for none), shape (H, W), and how many there are.

    Examples:
        >>> components, count = connected_components(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 1, 1]], bool))
        >>> count, components.tolist()
        (2, [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 2, 2]])
    """
    count, components = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    count -= 1
    if smallest > 1 and count:
        # Few pixels belong to components; only those are counted and numbered anew.
        flat, places = components.reshape(-1), np.flatnonzero(mask)
        own = flat[places]
        large = np.bincount(own, minlength=count + 1)[1:] >= smallest
        flat[places] = np.r_[0, np.cumsum(large) * large].astype(flat.dtype)[own]
        count = int(large.sum())
    return components, count


@dataclass(frozen=True)
class TrueComponents:
    """True components of one image, numbered once for all predictions.

    Args:
        components: True component of each pixel, 0 for none, shape (H, W).
        count: How many there are.
        ignored: Pixels where predictions do not count, shape (H, W), bool.
    """

    components: np.ndarray
    count: int
    ignored: np.ndarray


def true_components(truth: np.ndarray, ignored: np.ndarray | None = None, smallest_truth: int = 0) -> TrueComponents:
    """Number the true components; those of fewer than ``smallest_truth`` pixels become void.

    Args:
        truth: Anomalous pixels, shape (H, W), bool.
        ignored: Void pixels, shape (H, W), bool; they divide components.
        smallest_truth: Least number of pixels.

    Examples:
        >>> found = true_components(np.array([[1, 1, 0, 1]], bool), smallest_truth=2)
        >>> found.count, found.ignored.tolist()
        (1, [[False, False, False, True]])
    """
    if ignored is None:
        ignored = np.zeros(truth.shape, bool)
    truth = truth & ~ignored
    components, count = connected_components(truth, smallest_truth)
    return TrueComponents(components, count, ignored | (truth & (components == 0)) if smallest_truth > 1 else ignored)


def component_overlaps(truth: np.ndarray, prediction: np.ndarray, ignored: np.ndarray | None = None,
                       smallest_truth: int = 0, smallest_prediction: int = 0) -> ComponentOverlaps:
    r"""Adjusted IoU of every true component and precision of every predicted one.

    With :math:`\hat K(k)` the union of the predicted components that touch a true component k and A(k) the pixels of
    the other true components,

    .. math::
        \mathrm{sIoU}(k) = \frac{|k \cap \hat K(k)|}{|(k \cup \hat K(k)) \setminus A(k)|}, \qquad
        \mathrm{PPV}(\hat k) = \frac{|\hat k \cap \bigcup K|}{|\hat k|}.

    Args:
        truth: Anomalous pixels, shape (H, W), bool.
        prediction: Pixels predicted as anomalous, shape (H, W), bool.
        ignored: Void pixels, dropped from both masks, shape (H, W), bool.
        smallest_truth: Least number of pixels of a true component. Smaller ones become void: they are not missed, and
            predicted pixels on them count neither for nor against a prediction.
        smallest_prediction: Least number of pixels, void ones left out, of a predicted component; smaller ones are dropped.

    Raises:
        ValueError: If the shapes differ.

    Examples:
        >>> truth, prediction = np.array([[1, 1, 0, 0]], bool), np.array([[0, 1, 1, 0]], bool)
        >>> overlaps = component_overlaps(truth, prediction)
        >>> overlaps.adjusted_iou.round(4).tolist(), overlaps.precision.tolist()  # one of three pixels, one of two
        ([0.3333], [0.5])
    """
    if truth.shape != prediction.shape:
        raise ValueError(f'truth has shape {truth.shape}, prediction {prediction.shape}; they must agree.')
    return overlaps_with(true_components(truth, ignored, smallest_truth), prediction, smallest_prediction)


def overlaps_with(true: TrueComponents, prediction: np.ndarray, smallest_prediction: int = 0) -> ComponentOverlaps:
    """What :func:`component_overlaps` computes, for true components that were numbered before.

    Args:
        true: From :func:`true_components`.
        prediction: Pixels predicted as anomalous, shape (H, W), bool.
        smallest_prediction: See :func:`component_overlaps`.

    Examples:
        >>> true = true_components(np.array([[1, 1, 0, 0]], bool))
        >>> overlaps_with(true, np.array([[0, 1, 1, 0]], bool)).precision.tolist()
        [0.5]
    """
    predicted, guesses = connected_components(prediction & ~true.ignored, smallest_prediction)
    places = np.flatnonzero((true.components > 0) | (predicted > 0))
    cells = true.components.reshape(-1)[places].astype(np.int64) * (guesses + 1) + predicted.reshape(-1)[places]
    joint = np.bincount(cells, minlength=(true.count + 1) * (guesses + 1)).reshape(true.count + 1, guesses + 1)
    shared, sizes = joint[1:, 1:], joint.sum(1)[1:]
    touched = shared > 0
    elsewhere = touched @ joint[0, 1:] if guesses else np.zeros(true.count)
    adjusted = np.divide(shared.sum(1), sizes + elsewhere, out=np.zeros(true.count), where=sizes > 0)
    area = joint[:, 1:].sum(0)
    return ComponentOverlaps(adjusted, np.divide(shared.sum(0), area, out=np.zeros(guesses), where=area > 0), sizes)


def component_counts(overlaps: ComponentOverlaps, levels: np.ndarray = OVERLAPS) -> np.ndarray:
    """Found and missed true components and false predicted ones, at each overlap level.

    Args:
        overlaps: Overlaps of one image.
        levels: Overlaps from which on a true component is found and a predicted one right, shape (L,).

    Returns:
        Shape (3, L), int64.

    Examples:
        >>> overlaps = ComponentOverlaps(adjusted_iou=np.array([0.4]), precision=np.array([0.2]))
        >>> component_counts(overlaps, levels=np.array([0.25, 0.5])).tolist()  # found, missed, false
        [[1, 0], [0, 1], [1, 1]]
    """
    found = (overlaps.adjusted_iou[:, None] >= levels).sum(0)
    false = (overlaps.precision[:, None] < levels).sum(0)
    return np.stack([found, overlaps.adjusted_iou.size - found, false]).astype(np.int64)


def found_in_bands(values: np.ndarray, found: np.ndarray, edges: Sequence[float]) -> np.ndarray:
    """Objects of each band of sizes or distances, and how many of them are found.

    Args:
        values: Size or distance of each object, shape (m,).
        found: Whether it is found, shape (m,), bool.
        edges: Where a band begins, ascending, shape (B,); smaller values are in none, nor are infinite ones.

    Returns:
        Found ones and all, shape (2, B), int64.

    Examples:
        >>> found_in_bands(np.array([10, 99, 100]), np.array([True, False, True]), edges=(10, 100)).tolist()
        [[1, 1], [2, 1]]
    """
    known = np.isfinite(values)
    bands = np.searchsorted(edges, values, side='right')
    return np.stack([np.bincount(bands[chosen], minlength=len(edges) + 1)[1:] for chosen in (found & known, known)])


def mean_component_f1(counts: np.ndarray) -> np.ndarray:
    r"""F1* of the benchmark: :math:`2 TP / (2 TP + FN + FP)` averaged over the overlap levels; NaN without components.

    Args:
        counts: Summed over images, shape (\*, 3, L).

    Examples:
        >>> round(float(mean_component_f1(np.array([[1, 0], [0, 1], [1, 1]]))), 4)  # mean of 2/3 and 0
        0.3333
    """
    found, missed, false = np.moveaxis(np.asarray(counts, float), -2, 0)
    total = 2 * found + missed + false
    return np.divide(2 * found, total, out=np.full(total.shape, np.nan), where=total > 0).mean(-1)

"""Thresholds by position as the published code makes them, without its tensor of a hundred curves per pixel."""
from __future__ import annotations

import numpy as np
import torch
from mmengine.dist import all_gather_object
from torch import Tensor

from mmseg_uncertainty.functional.nonconformity_curves import (PUBLISHED_FEATURE_INDICES, PUBLISHED_LEVELS,
                                                               half_precision_quantiles, pixel_curves,
                                                               published_curve_index)
from mmseg_uncertainty.functional.position_groups import kmeans_map
from mmseg_uncertainty.label_values import VOID

from mmseg_uncertainty.structures import Place

from .resizable_buffers import ResizableBuffers

RELEASED_GROUPINGS = ('image', 'pixel', 'kmeans')
ROWS_PER_CHUNK = 32


class ReleasedCurves(ResizableBuffers):
    """Nonconformity curves in half precision, uncorrected, with groups learned on the scores they are filled with.

    One threshold per class and position is kept, that of alpha, and the hundred points of every pooled curve.

    Args:
        num_classes: Number of classes K.
        grouping: ``'image'``, ``'pixel'`` or ``'kmeans'``.
        num_groups: Number of clusters.
        foreground: Class whose curves are clustered and whose scores are pooled by cluster; others stay by pixel.
        seed: Seed of the clusters.

    Attributes:
        thresholds: Largest score that stays in the set, NaN where there is none, shape (K, H, W), or (K, 1, 1).
        groups: Cluster of each position, shape (H, W), uint8.
        curves: Curve of the image, shape (100, K), or of the clusters of the foreground, shape (100, groups).

    Raises:
        ValueError: The published code has no such grouping.
    """

    def __init__(self,
                 num_classes: int,
                 grouping: str,
                 num_groups: int = 4,
                 foreground: int = 1,
                 seed: int = 0) -> None:
        super().__init__()
        if grouping not in RELEASED_GROUPINGS:
            raise ValueError(f"KandinskyHead: variant='published' has the groupings {RELEASED_GROUPINGS}, "
                             f'not {grouping!r}.')
        if not 0 <= foreground < num_classes:
            raise ValueError(f'KandinskyHead: foreground={foreground} must lie in 0..{num_classes - 1}.')
        self.num_classes, self.grouping, self.foreground = num_classes, grouping, foreground
        self.num_groups, self.seed = num_groups, seed
        self.register_buffer('thresholds', torch.zeros((num_classes, 0, 0), dtype=torch.float32))
        self.register_buffer('groups', torch.zeros((0, 0), dtype=torch.uint8))
        self.register_buffer('curves', torch.zeros((0, 0), dtype=torch.float64))
        self.reset()

    def is_fitted(self) -> bool:
        """Whether there are thresholds."""
        return bool(self.thresholds.numel())

    def reset(self) -> None:
        """Forget all images."""
        self._scores: list[np.ndarray] = []
        self._labels: list[np.ndarray] = []

    def add(self, chosen: Tensor, labels: Tensor, valid: Tensor) -> None:
        """Collect one image.

        Args:
            chosen: Probability of the true class, shape (H, W).
            labels: True class, shape (H, W).
            valid: Which pixels are not void, shape (H, W).

        Raises:
            ValueError: The image has another size than the ones before.
        """
        size = tuple(chosen.shape)
        if self._scores and size != self._scores[0].shape:
            raise ValueError(f"KandinskyHead: variant='published' compares single pixels; this image has {size}, the "
                             f'first {self._scores[0].shape}. Resize images and labels to one size in the pipeline.')
        self._scores.append(np.float16(1) - chosen.cpu().numpy().astype(np.float16))
        self._labels.append(labels.masked_fill(~valid, VOID).to(torch.uint8).cpu().numpy())

    def merge_ranks(self) -> None:
        """Collect the images of all processes."""
        for name in ('_scores', '_labels'):
            setattr(self, name, [image for images in all_gather_object(getattr(self, name)) for image in images])

    def finish(self, alpha: float) -> None:
        """Fill the buffers.

        Args:
            alpha: Share of the pixels of a class that may miss it.

        Raises:
            ValueError: Clusters are wanted and some position never shows the foreground.
        """
        scores, labels = np.stack(self._scores), np.stack(self._labels)
        index, classes = published_curve_index(alpha), range(self.num_classes)
        if self.grouping == 'image':
            curves = np.stack([half_precision_quantiles(scores[labels == label]) for label in classes], axis=1)
            thresholds = curves[index][:, None, None]
        else:
            curves = np.empty((0, 0))
            thresholds = np.stack([self._pixel_curves(scores, labels, label, [index])[0] for label in classes])
        if self.grouping == 'kmeans':
            groups = self._learn_groups(scores, labels)
            inside = labels == self.foreground
            curves = np.stack([half_precision_quantiles(scores[inside & (groups == group)])
                               for group in range(int(groups.max()) + 1)], axis=1)
            thresholds[self.foreground] = curves[index][groups]
            self.groups = torch.from_numpy(groups.astype(np.uint8)).to(self.groups.device)
        self.curves = torch.from_numpy(curves).to(self.curves.device)
        self.thresholds = torch.from_numpy(thresholds.astype(np.float32)).to(self.thresholds.device)
        self.reset()

    def sets(self, probabilities: Tensor, place: Place) -> Tensor:
        """Sets of the classes whose score stays within the threshold, empty ones included.

        Args:
            probabilities: Shape (N, K, H, W).
            place: Which rectangle of the image this is.

        Raises:
            ValueError: The image has another size than the calibration images.
        """
        size, fitted = tuple(place.size), tuple(self.thresholds.shape[-2:])
        if fitted not in ((1, 1), size):
            raise ValueError(f"KandinskyHead: variant='published' was fitted on images of {fitted} pixels, this one "
                             f'has {size}; resize it in the pipeline.')
        own = self.thresholds if fitted == (1, 1) else self.thresholds[(..., *place.window.slices)]
        return 1 - probabilities <= own.to(probabilities.dtype)

    def _pixel_curves(self, scores: np.ndarray, labels: np.ndarray, label: int, indices: list[int]) -> np.ndarray:
        """Some points of the curve of every pixel, shape (points, H, W)."""
        parts = []
        for start in range(0, scores.shape[1], ROWS_PER_CHUNK):
            rows = slice(start, start + ROWS_PER_CHUNK)
            own = np.where(labels[:, rows] == label, scores[:, rows].astype(np.float32), np.float32(np.nan))
            parts.append(pixel_curves(own[:, None], PUBLISHED_LEVELS[indices])[:, 0])
        return np.concatenate(parts, axis=1)

    def _learn_groups(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        features = self._pixel_curves(scores, labels, self.foreground, list(PUBLISHED_FEATURE_INDICES))
        absent = int(np.isnan(features).any(axis=0).sum())
        if absent:
            raise ValueError(f'KandinskyHead: {absent} of {features[0].size} positions never show class '
                             f"{self.foreground} in {len(scores)} calibration images, and variant='published' clusters the scores "
                             "of every position. Calibrate with more images, or use variant='exact'.")
        return kmeans_map(np.moveaxis(features, 0, -1), self.num_groups, self.seed)

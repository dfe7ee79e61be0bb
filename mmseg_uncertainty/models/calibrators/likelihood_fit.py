"""Temperatures of groups of pixels from two passes over the images."""
from __future__ import annotations

import logging
import math

import numpy as np
from mmengine.dist import all_gather_object
from mmengine.logging import print_log
from torch import Tensor

from mmseg_uncertainty.functional.temperature import (COARSE_NODES, FINE_STEPS, likelihood_slopes,
                                                      likeliest_inverse_temperature)

COARSE_PIXELS = 1 << 16


class LikelihoodFit:
    """Sums of every image, a few hundred numbers each, added without rounding: no order of the images changes a bit.

    The first pass reads at most 65536 pixels per image and finds each temperature to about a percent; the second reads all
    pixels at nodes around it.

    Args:
        num_groups: Groups of pixels within an image, such as predicted classes.
    """

    def __init__(self, num_groups: int = 1) -> None:
        self.num_groups = num_groups
        self.sums: dict[str, np.ndarray] = {}

    def add_coarse(self, key: str, logits: Tensor, labels: Tensor, groups: Tensor | None = None) -> None:
        """First pass: add one image, logits (K, n), labels (n,), groups (n,)."""
        step = max(1, math.ceil(labels.numel() / COARSE_PIXELS))
        groups = None if groups is None else groups[::step]
        self._add(key, step * likelihood_slopes(logits[:, ::step], labels[::step], COARSE_NODES, groups, self.num_groups))

    def add_fine(self,
                 key: str,
                 logits: Tensor,
                 labels: Tensor,
                 coarse: np.ndarray,
                 groups: Tensor | None = None) -> None:
        """Second pass: add one image at nodes around the inverse temperatures ``coarse``, shape (num_groups,)."""
        parts = []
        for index, inverse in enumerate(coarse):
            kept = slice(None) if groups is None else groups == index
            parts.append(likelihood_slopes(logits[:, kept], labels[kept], self.fine_nodes(inverse))[0])
        self._add(key, np.stack(parts))

    def _add(self, key: str, sums: np.ndarray) -> None:
        if key in self.sums:
            raise ValueError(f'Two calibration images are named {key!r}, or one was given twice. Images need distinct '
                             'img_path, and the sampler must visit each once.')
        self.sums[key] = sums

    def merge_ranks(self) -> None:
        """Collect the sums of all processes."""
        self.sums = {key: sums for part in all_gather_object(self.sums) for key, sums in part.items()}

    def total(self, keys: list[str] | None = None) -> np.ndarray:
        """Sum over these images, all by default, rounded once; shape (num_groups, M, 2), or NaN without images."""
        chosen = list(self.sums) if keys is None else keys
        if not chosen:
            return np.zeros((self.num_groups, len(COARSE_NODES), 2))
        stacked = np.stack([self.sums[key] for key in chosen])
        return np.apply_along_axis(math.fsum, 0, stacked)

    def coarse(self, keys: list[str] | None = None) -> np.ndarray:
        """Inverse temperatures after the first pass, shape (num_groups,); NaN where there is no pixel."""
        return np.array([likeliest_inverse_temperature(COARSE_NODES, slopes) for slopes in self.total(keys)])

    def fine(self, coarse: np.ndarray, keys: list[str] | None = None) -> np.ndarray:
        """Inverse temperatures after the second pass, shape (num_groups,); NaN where there is no pixel."""
        inverses = []
        for start, slopes in zip(coarse, self.total(keys)):
            inverses.append(math.nan if math.isnan(start) else likeliest_inverse_temperature(self.fine_nodes(start), slopes))
            if not (slopes[0, 0] <= 0 < slopes[-1, 0]) and not math.isnan(start):
                print_log(f'The likelihood keeps growing around temperature {1 / inverses[-1]:.4g}: the labels of this group '
                          'hardly limit it. Use more images or fewer groups.', 'current', logging.WARNING)
        return np.array(inverses)

    @staticmethod
    def fine_nodes(inverse: float) -> np.ndarray:
        """Nodes of the second pass, within 10 % of what the first found; 1 stands in where it found nothing."""
        return (1. if math.isnan(inverse) else inverse) * FINE_STEPS

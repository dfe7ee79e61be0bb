"""Temperatures of groups of pixels from two passes over the images, more where two do not find them."""
from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dist import all_gather_object
from mmengine.logging import print_log
from torch import Tensor

from mmseg_uncertainty.functional.temperature import COARSE_NODES, SlopeCurve, likelihood_slopes

from .calibrator import pixel_sample

COARSE_PIXELS = 1 << 15
SMALLEST_SAMPLE = 512
MOST_PASSES = 8


class LikelihoodFit:
    """Sums of every image, a few hundred numbers each, added without rounding: no order of the images changes a bit.

    The first pass reads at most 32768 labelled pixels of an image, drawn at random by its name, and finds each temperature
    to about a percent; the second reads all pixels at nodes around it. Where the temperature turns out to lie elsewhere,
    further passes follow it, so that what is found is that of all pixels whatever the sample was.

    Args:
        num_groups: Groups of pixels within an image, such as predicted classes.

    Attributes:
        curves: What is known of each group, from the sample after the first pass and from all pixels later.
        nodes: Inverse temperatures at which the next pass reads each group; none where the temperature is found.
    """

    def __init__(self, num_groups: int = 1) -> None:
        self.num_groups, self.passes = num_groups, 0
        self.curves: list[SlopeCurve] = []
        self.nodes: list[np.ndarray] = []
        self.sums: dict[str, dict[int, np.ndarray]] = {}

    def start_pass(self) -> None:
        """Forget the images of the pass before, not what was learned from them."""
        self.sums = {}

    def add_coarse(self, key: str, logits: Tensor, labels: Tensor, groups: Tensor | None = None) -> None:
        """First pass: add one image, logits (K, n), labels (n,), groups (n,)."""
        labelled = labels < len(logits)
        present = [0] if groups is None else self._present(groups[labelled])
        most = max(COARSE_PIXELS // max(len(present), 1), SMALLEST_SAMPLE)
        sums = {}
        for group in present:
            inside = torch.nonzero(labelled if groups is None else labelled & (groups == group))[:, 0]
            chosen = inside[pixel_sample(len(inside), most, dict(img_path=key), group).to(inside.device)]
            slopes = likelihood_slopes(logits[:, chosen], labels[chosen], COARSE_NODES)[0]
            sums[group] = len(inside) / max(len(chosen), 1) * slopes
        self._add(key, sums)

    def add_fine(self, key: str, logits: Tensor, labels: Tensor, groups: Tensor | int | None = None) -> None:
        """Later passes: add one image; ``groups`` is a map (n,), or the group of all its pixels, 0 by default."""
        if not isinstance(groups, Tensor):
            nodes = self.nodes[groups or 0]
            self._add(key, {groups or 0: likelihood_slopes(logits, labels, nodes)[0]} if len(nodes) else {})
            return
        sums = {}
        for group in self._present(groups):
            if len(self.nodes[group]):
                inside = groups == group
                sums[group] = likelihood_slopes(logits[:, inside], labels[inside], self.nodes[group])[0]
        self._add(key, sums)

    def _add(self, key: str, sums: dict[int, np.ndarray]) -> None:
        if key in self.sums:
            raise ValueError(f'Two calibration images are named {key!r}, or one was given twice. Images need distinct '
                             'img_path, and the sampler must visit each once.')
        self.sums[key] = sums

    def _present(self, groups: Tensor) -> list[int]:
        return torch.bincount(groups, minlength=self.num_groups).nonzero()[:, 0].tolist()

    def merge_ranks(self) -> None:
        """Collect the sums of all processes."""
        self.sums = {key: sums for part in all_gather_object(self.sums) for key, sums in part.items()}

    def coarse_curve(self, keys: Sequence[str] | None = None, group: int = 0) -> SlopeCurve:
        """What the first pass tells of these images, all by default."""
        return SlopeCurve(COARSE_NODES, self._total(group, COARSE_NODES, keys))

    def finish_coarse(self, curves: Sequence[SlopeCurve] | None = None) -> None:
        """End the first pass with these curves of the groups, those of all images by default."""
        curves = [self.coarse_curve(group=group) for group in range(self.num_groups)] if curves is None else curves
        self.curves = [SlopeCurve(COARSE_NODES[:0], np.zeros((0, 2)))] * self.num_groups
        self.nodes, self.passes = [curve.fine_nodes() for curve in curves], 0

    def finish_fine(self) -> None:
        """End a later pass: add its sums to the curves and say where to look next."""
        self.passes += 1
        for group, nodes in enumerate(self.nodes):
            if len(nodes):
                self.curves[group] = self.curves[group].joined(nodes, self._total(group, nodes))
        self.nodes = [nodes[:0] if curve.settled() else curve.next_nodes()
                      for curve, nodes in zip(self.curves, self.nodes)]

    def needs_another_pass(self) -> bool:
        """Whether some temperature lies where no pass has looked."""
        return any(len(nodes) for nodes in self.nodes) and self.passes < MOST_PASSES

    def inverses(self) -> np.ndarray:
        """Inverse temperatures, shape (num_groups,): 0 or infinity without a maximum, NaN without pixels."""
        return np.array([curve.inverse_temperature() for curve in self.curves])

    def _total(self, group: int, nodes: np.ndarray, keys: Sequence[str] | None = None) -> np.ndarray:
        """Sum over these images, all by default, rounded once; shape (M, 2)."""
        chosen = [self.sums[key][group] for key in (self.sums if keys is None else keys) if group in self.sums[key]]
        return np.apply_along_axis(math.fsum, 0, np.stack(chosen)) if chosen else np.zeros((len(nodes), 2))


def check_labelled(found: bool, owner: str) -> None:
    """Raise unless a pixel was found that a fit can learn from."""
    if not found:
        raise ValueError(f'{owner}: no pixel of the calibration images is labelled, or none has logits that differ; check '
                         'their label files and the label map.')


def temperature_of_all(inverse: float, owner: str) -> float:
    """Inverse temperature of all pixels, within the range of the first pass where the likelihood has no maximum.

    Args:
        inverse: As :meth:`LikelihoodFit.inverses` gives it, not NaN.
        owner: Whose it is, for the message.
    """
    if 0 < inverse < math.inf:
        return inverse
    bounded = float(np.clip(inverse, COARSE_NODES[1], COARSE_NODES[-2]))
    reason = ('the logits of the true classes are no larger than those of others; check labels and label map'
              if inverse == 0 else 'every labelled pixel is predicted right; use more images')
    print_log(f'{owner}: the likelihood has no maximum, it grows with ever {"higher" if inverse == 0 else "lower"} '
              f'temperatures: {reason}. Temperature {1 / bounded:.4g} stands in.', 'current', logging.WARNING)
    return bounded


def temperatures_of_groups(inverses: np.ndarray, everything: float, owner: str) -> np.ndarray:
    """Inverse temperatures of groups, that of all pixels where a group has no pixel or no maximum of the likelihood.

    Args:
        inverses: As :meth:`LikelihoodFit.inverses` gives them.
        everything: Inverse temperature of all pixels.
        owner: Whose groups, for the message.
    """
    unlimited = np.flatnonzero((inverses == 0) | np.isinf(inverses)).tolist()
    if unlimited:
        print_log(f'{owner}: the likelihood of the groups {unlimited} has no maximum, since their pixels are too few or all '
                  'predicted right; they take the temperature of all pixels.', 'current', logging.WARNING)
    return np.where((0 < inverses) & np.isfinite(inverses), inverses, everything)

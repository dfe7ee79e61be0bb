"""Predictions averaged over scales and flips of the image."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.structures import Grid
from mmseg_uncertainty.structures.grid import FLIPS

from .image_result import ImageResult


class TestTimeViews:
    """Show a model the same image at several sizes and mirrored.

    The predicted class is the arg-max of the mean softmax, and every score is the mean of its maps, all at output size.

    Args:
        scales: Factors of the size of the network input.
        flip: Whether each size is also shown mirrored from left to right.

    Raises:
        ValueError: There is no scale, or one is not positive.
    """

    __test__ = False

    def __init__(self, scales: Sequence[float] = (0.5, 0.75, 1.0, 1.25, 1.5), flip: bool = True) -> None:
        if not scales or min(scales) <= 0:
            raise ValueError(f'tta: scales={list(scales)} must be positive numbers, at least one.')
        self.scales, self.flip = tuple(float(scale) for scale in scales), flip

    @property
    def name(self) -> str:
        """Short name of the views, as results carry it."""
        return 'tta ' + ' '.join(f'{scale:g}' for scale in self.scales) + (' flip' if self.flip else '')

    def __call__(self, inputs: Tensor, meta: Mapping, divisor: int) -> Iterator[tuple[Tensor, list[dict]]]:
        """Views of one image.

        Args:
            inputs: Network input, shape (1, 3, H', W').
            meta: Its ``metainfo``.
            divisor: Sides of the views are padded to multiples of it.

        Yields:
            Network input and ``metainfo`` of each view.
        """
        grid = Grid.of_input(inputs.shape[-2:], meta, False)
        content = inputs[(..., *grid.content.slices)]
        for scale in self.scales:
            size = [max(round(side * scale), 1) for side in content.shape[-2:]]
            resized = content if scale == 1 else F.interpolate(content, size=size, mode='bilinear', align_corners=False)
            for mirrored in (False, True)[:1 + self.flip]:
                right, bottom = (-side % divisor for side in reversed(size))
                view = F.pad(resized.flip(dims=(3, )) if mirrored else resized, (0, right, 0, bottom))
                yield view, [dict(meta, img_padding_size=(0, right, 0, bottom), **_flipped(grid.flip, mirrored),
                                  ori_shape=grid.image_size or tuple(content.shape[-2:]))]


def _flipped(flip: str | None, mirrored: bool) -> dict:
    vertical, horizontal = FLIPS.get(flip, (False, False))
    direction = {axes: name for name, axes in FLIPS.items()}.get((vertical, horizontal != mirrored))
    return dict(flip=direction is not None, flip_direction=direction)


def mean_result(results: Sequence[ImageResult], name: str) -> ImageResult:
    """One result of several views of the same image.

    Prediction sets are left out: their promise is made for single predictions.

    Args:
        results: Results of the views at output size.
        name: Name of the views.
    """
    distribution = results[0].distribution
    logits, calibrated = (_mean_logits(results, kind) for kind in ('logits', 'calibrated'))
    probabilities = distribution.probabilities(logits)
    scores = distribution.scores(probabilities)
    uncertainty = {head: torch.stack([result.uncertainty[head] for result in results]).mean(dim=0)
                   for head in results[0].uncertainty}
    return replace(results[0], scores=scores, logits=logits, predicted=distribution.choose(probabilities),
                   calibrated=calibrated, uncertainty=uncertainty, views=name, membership=None)


def _mean_logits(results: Sequence[ImageResult], kind: str) -> Tensor | None:
    """Class logits whose probabilities are the mean of those of the views."""
    if getattr(results[0], kind) is None:
        return None
    distribution = results[0].distribution
    mean = sum(distribution.probabilities(getattr(result, kind)) for result in results) / len(results)
    return distribution.class_logits(distribution.scores(mean))

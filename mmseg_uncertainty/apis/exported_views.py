"""Test-time views of an image in operators that exporters know for images of any size."""
from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.functional.class_distributions import ClassDistribution
from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.structures import GridOutputs


class View(NamedTuple):
    """An image as the network sees it.

    Args:
        padded: Network input, shape (N, 3, H', W').
        content: Height and width of it without padding.
        mirrored: Whether it is mirrored from left to right.
    """

    padded: Tensor
    content: tuple
    mirrored: bool = False


class ViewResult(NamedTuple):
    """What a model says of a view, at the size of the image.

    Args:
        scores: Output of the base model, shape (N, C, H, W).
        output: The same as score heads read it.
        calibrated: Class logits after the calibrator, shape (N, K, H, W).
        uncertainty: Maps by name of the head, shape (N, H, W).
        pooled: See :class:`~mmseg_uncertainty.apis.exported_windows.WindowPass`.
    """

    scores: Tensor
    output: GridOutputs
    calibrated: Tensor
    uncertainty: Mapping[str, Tensor]
    pooled: Tensor


def views_of(model: PosthocSegmentor, images: Tensor) -> Iterator[View]:
    """Views as :class:`~mmseg_uncertainty.models.segmentors.test_time_views.TestTimeViews` makes them.

    Args:
        model: A model with ``tta``.
        images: Network input without padding, shape (N, 3, H', W').
    """
    divisor = math.lcm((getattr(model.data_preprocessor, 'test_cfg', None) or {}).get('size_divisor') or 1, model.base.size_divisor)
    for scale in model.tta.scales:
        size = [_scaled(side, scale) for side in images.shape[2:]]
        resized = images if scale == 1 else F.interpolate(images, size=size, mode='bilinear', align_corners=False)
        bottom, right = (-side % divisor for side in size)
        for mirrored in (False, True)[:1 + model.tta.flip]:
            yield View(F.pad(resized.flip(dims=(3, )) if mirrored else resized, (0, right, 0, bottom)), tuple(size), mirrored)


def mean_of_views(results: Sequence[ViewResult], distribution: ClassDistribution) -> tuple[Tensor, ViewResult]:
    """One result of several views, see :func:`~mmseg_uncertainty.models.segmentors.test_time_views.mean_result`.

    Args:
        results: Results of the views.
        distribution: What their logits mean.

    Returns:
        Labels (N, H, W), int64, and the rest.
    """
    logits, calibrated = (_mean_logits([one.output.logits for one in results], distribution),
                          _mean_logits([one.calibrated for one in results], distribution))
    probabilities = distribution.probabilities(logits)
    uncertainty = {name: torch.stack([one.uncertainty[name] for one in results]).mean(dim=0) for name in results[0].uncertainty}
    return distribution.choose(probabilities), ViewResult(distribution.scores(probabilities), results[0].output, calibrated,
                                                          uncertainty, results[0].pooled)


def _mean_logits(logits: Sequence[Tensor], distribution: ClassDistribution) -> Tensor:
    mean = sum(distribution.probabilities(one) for one in logits) / len(logits)
    return distribution.class_logits(distribution.scores(mean))


def _scaled(side: int | Tensor, scale: float) -> int | Tensor:
    """Pixels of a side; tracers give it as a tensor."""
    if isinstance(side, Tensor):
        return torch.round(side.double() * scale).clamp(min=1).long()
    return max(round(side * scale), 1)

"""Prediction sets in operators that exporters know for images of any size."""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.functional.adaptive_thresholds import HIGHEST, LOWEST, ROUNDED_DOWN
from mmseg_uncertainty.functional.image_embeddings import brightness_statistics, confidence_statistics
from mmseg_uncertainty.functional.prediction_sets import SetFamily
from mmseg_uncertainty.functional.risk_control import ROUNDING
from mmseg_uncertainty.functional.weighted_risk_control import WeightedRisk
from mmseg_uncertainty.models.set_heads import (AdaptiveRiskControlHead, ConformalRiskControlHead, DilationSetHead, KandinskyHead,
                                                WeightedRiskControlHead)
from mmseg_uncertainty.models.set_heads.set_head import SetHead

from .traceable_layers import bisect

EXPORTED = (ConformalRiskControlHead, KandinskyHead, DilationSetHead, AdaptiveRiskControlHead, WeightedRiskControlHead)


def check_sets(set_head: SetHead) -> None:
    """Raise ``ValueError`` where sets cannot be computed for images of any size."""
    if isinstance(set_head, KandinskyHead) and set_head.released is not None:
        raise ValueError("KandinskyHead(variant='published') has a threshold for every pixel of images of one size, so a "
                         "file for images of any size cannot hold it; fit variant='exact', whose groups scale with the image.")
    if isinstance(set_head, AdaptiveRiskControlHead) and set_head.method == 'imputed':
        raise ValueError("AdaptiveRiskControlHead(method='imputed') solves a linear program over all calibration images for every "
                         "image, for which ONNX and TorchScript have no operator; fit method='split', whose thresholds are a "
                         'formula.')
    if not isinstance(set_head, EXPORTED):
        raise ValueError(f'{type(set_head).__name__} cannot be exported; expected one of '
                         f'{", ".join(kind.__name__ for kind in EXPORTED)}.')


class ExportedSets:
    """What :meth:`SetHead.sets` gives for whole images, without writing in place.

    Args:
        set_head: A fitted head that :func:`check_sets` lets pass. What it kept of the calibration images is not read later.
    """

    def __init__(self, set_head: SetHead) -> None:
        self.set_head = set_head
        self.image_thresholds = _image_thresholds(set_head) if set_head.embeds else None
        self.steps = set_head.steps.tolist() if isinstance(set_head, DilationSetHead) else []

    def __call__(self, probabilities: Tensor, predicted: Tensor, read: Mapping[str, Tensor]) -> Tensor:
        """Prediction sets.

        Args:
            probabilities: Shape (N, K, H, W), in [0, 1].
            predicted: Class that is in every set of heads that want it so, shape (N, H, W), int64.
            read: What sets that adapt to the image read: ``images``, the network input without padding, (N, 3, H', W'); and
                ``features``, the mean feature of each image, (N, F), float64.

        Returns:
            Whether a class is in the set, shape (N, K, H, W), bool.
        """
        head = self.set_head
        if isinstance(head, DilationSetHead):
            return dilated(predicted, self.steps, head.structure)
        if isinstance(head, KandinskyHead):
            return _with_top(probabilities >= position_thresholds(head, probabilities), predicted, head.force_top)
        if self.image_thresholds is None:
            thresholds = head.thresholds.to(probabilities).reshape(1, -1, 1, 1)
        else:
            embedding = embed(head.embedding.parts, head.num_classes, probabilities, predicted, read)
            thresholds = self.image_thresholds(embedding).to(probabilities).reshape(-1, 1, 1, 1)
        if head.family.kind != 'lac':
            return ranked_conformity(head.family, probabilities) >= thresholds
        return _with_top(probabilities >= thresholds, predicted, head.family.force_top)


def _with_top(membership: Tensor, predicted: Tensor, force_top: bool) -> Tensor:
    return membership | _one_hot(predicted, membership.shape[1]) if force_top else membership


def _one_hot(predicted: Tensor, num_classes: int) -> Tensor:
    return F.one_hot(predicted, num_classes).permute(0, 3, 1, 2).bool()


def position_thresholds(set_head: KandinskyHead, probabilities: Tensor) -> Tensor:
    """Threshold of each class at each pixel, shape (K, H, W), of the cells that the grid has at this size."""
    groups = set_head.group_map.long()
    rows, columns = (torch.arange(length, device=groups.device) * cells // length
                     for length, cells in zip(probabilities.shape[2:], groups.shape))
    thresholds = (set_head.thresholds * set_head.odds).where(set_head.thresholds > 0, 0).to(probabilities.dtype)
    return thresholds.T[:, groups[rows[:, None], columns]]


def ranked_conformity(family: SetFamily, probabilities: Tensor) -> Tensor:
    """Conformity of APS and RAPS; see :meth:`SetFamily.conformity`."""
    ordered, order = probabilities.sort(dim=1, descending=True)
    mass = ordered.flip(1).cumsum(dim=1).flip(1)
    if family.kind == 'raps':
        classes = probabilities.shape[1]
        most = max(classes - family.free_ranks, 0)
        penalized = (torch.arange(1, classes + 1, device=mass.device) - family.free_ranks).clamp(min=0)
        mass = (mass + family.penalty * (most - penalized).to(mass).reshape(1, -1, 1, 1)) / (1 + family.penalty * most)
    mass = torch.cat([torch.ones_like(mass[:, :1]), mass[:, 1:].clamp(max=1)], dim=1)
    return torch.zeros_like(mass).scatter(1, order, mass)


def dilated(predicted: Tensor, steps: Sequence[float], structure: str) -> Tensor:
    """What :func:`~mmseg_uncertainty.functional.dilation_margins.dilated_sets` gives.

    Distances are measured along rows first, by steps of 1, 2, 4, … pixels, and then between rows, as far as the largest
    dilation reaches, so that the number of operators is that of its rows.

    Args:
        predicted: Predicted classes, shape (N, H, W), int64.
        steps: Dilation of each of K classes, infinite where every set contains the class.
        structure: ``'disk'``, ``'square'`` or ``'diamond'``.

    Returns:
        Shape (N, K, H, W), bool.
    """
    most = int(max((step for step in steps if math.isfinite(step)), default=0))
    reach = math.isqrt(most) if structure == 'disk' else most
    far = reach + 1.
    across = torch.where(_one_hot(predicted, len(steps)), 0., far)
    height, width, step = predicted.shape[1], predicted.shape[2], 1
    while step < far:
        padded = F.pad(across, (step, step), value=far)
        nearer = torch.minimum(padded[..., :width], padded[..., 2 * step:2 * step + width]) + step
        across, step = torch.minimum(across, nearer), 2 * step
    rows, distance = F.pad(across, (0, 0, reach, reach), value=far), None
    for row in range(-reach, reach + 1):
        beside = rows[:, :, reach + row:reach + row + height]
        found = dict(disk=beside.square() + row**2, square=beside.clamp(min=abs(row)), diamond=beside + abs(row))[structure]
        distance = found if distance is None else torch.minimum(distance, found)
    return distance <= torch.tensor(steps, dtype=distance.dtype).reshape(1, -1, 1, 1)


def embed(parts: tuple[str, ...], num_classes: int, probabilities: Tensor, predicted: Tensor, read: Mapping[str, Tensor]) -> Tensor:
    """Embeddings of images, shape (N, D), float64; see :class:`~mmseg_uncertainty.models.set_heads.image_embedding.ImageEmbedding`.

    Args:
        parts: Parts of the embedding.
        num_classes: K.
        probabilities: See :class:`ExportedSets`, as are the others.
        predicted: Likewise.
        read: Likewise.
    """
    makers: dict[str, Callable[[], Tensor]] = dict(
        confidence=lambda: confidence_statistics(probabilities), brightness=lambda: brightness_statistics(read['images']),
        classes=lambda: F.one_hot(predicted, num_classes).double().mean(dim=(1, 2)), features=lambda: read['features'])
    return torch.cat([makers[part]() for part in parts], dim=1)


def _image_thresholds(set_head: AdaptiveRiskControlHead | WeightedRiskControlHead) -> Callable[[Tensor], Tensor]:
    """Thresholds (N,) as a function of embeddings (N, D), both float64."""
    if isinstance(set_head, AdaptiveRiskControlHead):
        row = set_head.kept.fitted[0].clone()
        return lambda embedding: _threshold_of_log_odds(embedding @ row[:-1] + row[-1] - ROUNDED_DOWN)
    ratio = set_head.ratio
    coefficients = torch.from_numpy(ratio.coefficients.copy())
    risks = [exported_thresholds(risk) for risk in set_head.weighted_risks()]

    def thresholds(embedding: Tensor) -> Tensor:
        weights = (embedding @ coefficients + ratio.intercept).clamp(max=math.log(ratio.largest)).exp()
        return torch.stack([risk(weights) for risk in risks]).amin(dim=0)

    return thresholds


def _threshold_of_log_odds(log_odds: Tensor) -> Tensor:
    inside = log_odds.sigmoid()
    return torch.where(log_odds <= LOWEST, 0., torch.where(log_odds >= HIGHEST, 1., inside))


def exported_thresholds(risk: WeightedRisk) -> Callable[[Tensor], Tensor]:
    """:meth:`WeightedRisk.thresholds`; rows of one conformity have one threshold, so that only the first of them is kept."""
    conformity, first = np.unique(np.append(risk.conformity, 1.), return_index=True)
    conformity, lost = torch.from_numpy(conformity), torch.from_numpy(risk.lost[first])

    def thresholds(weights: Tensor) -> Tensor:
        allowed, slack = risk.alpha * risk.total - (risk.bound - risk.alpha) * weights, ROUNDING * (risk.total + weights)
        found = conformity[bisect(lost, allowed.clamp(min=0) + slack, right=True) - 1]
        return torch.where(allowed >= -slack, found, 0.)

    return thresholds

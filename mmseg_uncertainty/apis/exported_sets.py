"""Prediction sets in operators that exporters know for images of any size."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.functional.prediction_sets import SetFamily
from mmseg_uncertainty.models.set_heads import ConformalRiskControlHead, KandinskyHead
from mmseg_uncertainty.models.set_heads.set_head import SetHead


def check_sets(set_head: SetHead) -> None:
    """Raise ``ValueError`` where sets cannot be computed for images of any size."""
    if isinstance(set_head, KandinskyHead) and set_head.released is not None:
        raise ValueError("KandinskyHead(variant='published') has a threshold for every pixel of images of one size, so a "
                         "file for images of any size cannot hold it; fit variant='exact', whose groups scale with the image.")
    if set_head.whole_image:
        raise ValueError(f'{type(set_head).__name__} cannot be exported: its sets depend on the whole image, and a file computes '
                         'those of any rectangle. Export ConformalRiskControlHead or KandinskyHead.')
    if not isinstance(set_head, (ConformalRiskControlHead, KandinskyHead)):
        raise ValueError(f'{type(set_head).__name__} cannot be exported; expected ConformalRiskControlHead or '
                         'KandinskyHead.')


def exported_sets(set_head: SetHead, probabilities: Tensor, predicted: Tensor) -> Tensor:
    """What :meth:`SetHead.sets` gives for whole images, without writing in place.

    Args:
        set_head: A fitted head that :func:`check_sets` lets pass.
        probabilities: Shape (N, K, H, W), in [0, 1].
        predicted: Class that is in every set of heads that want it so, shape (N, H, W), int64.

    Returns:
        Whether a class is in the set, shape (N, K, H, W), bool.
    """
    if isinstance(set_head, KandinskyHead):
        membership, force_top = probabilities >= position_thresholds(set_head, probabilities), set_head.force_top
    else:
        family, thresholds = set_head.family, set_head.thresholds.to(probabilities).reshape(1, -1, 1, 1)
        if family.kind != 'lac':
            return ranked_conformity(family, probabilities) >= thresholds
        membership, force_top = probabilities >= thresholds, family.force_top
    if not force_top:
        return membership
    return membership | F.one_hot(predicted, set_head.num_classes).permute(0, 3, 1, 2).bool()


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

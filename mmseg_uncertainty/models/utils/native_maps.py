"""Scores of a head at the size of the labels, as in prediction."""
from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.structures import FrozenOutputs, MapOnGrid

from .merged_windows import MergedWindows

if TYPE_CHECKING:
    from mmseg_uncertainty.models.decode_heads import ScoreHead


def scores_at_labels(outputs: FrozenOutputs, head: ScoreHead, size: tuple[int, int]) -> Tensor:
    """Scores of a head, shape (N, H, W).

    Args:
        outputs: Outputs of N images.
        head: Heads with ``resolution='native'`` score every window; their maps are averaged and resized as in prediction.
        size: Height and width of the labels.
    """
    if head.members:
        maps = {name: scores_at_labels(outputs, member, size) for name, member in head.scorers.items()}
        return head.filtered(head.combine(maps), outputs.output)
    if head.resolution != 'native':
        return head(outputs.output)
    return torch.cat([_native(outputs, head, index, size) for index in range(len(outputs.logits))])


def _native(outputs: FrozenOutputs, head: ScoreHead, index: int, size: tuple[int, int]) -> Tensor:
    grid = outputs.grids[index]
    merged = MergedWindows(outputs.images.shape[-2:])
    for window in outputs.windows:
        cells = window.of(index)
        place = cells.grids[0].window
        maps = F.interpolate(head(cells)[:, None], size=place.size, mode='bilinear', align_corners=grid.align_corners)
        merged.add(place, maps)
    return MapOnGrid(merged.mean(), grid).to_image(size)[:, 0]

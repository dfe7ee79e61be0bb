"""From the size of the network input to the size of the labels."""
from __future__ import annotations

from collections.abc import Sequence

from mmseg.models.utils import resize
from torch import Tensor


def output_to_label_size(maps: Tensor, meta: dict, size: Sequence[int] | None, align_corners: bool) -> Tensor:
    """Undo padding and flip and resize, as mmseg does with its logits.

    Args:
        maps: Shape (N, C, H', W') at the size of the padded network input.
        meta: Metainfo of the sample.
        size: Height and width to resize to, ``None`` to leave the size alone.
        align_corners: As in :func:`torch.nn.functional.interpolate`.

    Returns:
        Shape (N, C, \\*size).
    """
    left, right, top, bottom = meta.get('img_padding_size', meta.get('padding_size', [0] * 4))
    height, width = maps.shape[-2:]
    maps = maps[..., top:height - bottom, left:width - right]
    if meta.get('flip'):
        maps = maps.flip(dims=(3 if meta['flip_direction'] == 'horizontal' else 2, ))
    if size is None:
        return maps
    return resize(maps, size=tuple(size[:2]), mode='bilinear', align_corners=align_corners, warning=False)

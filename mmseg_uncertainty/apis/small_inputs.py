"""Inputs smaller than the strides of a network."""
from __future__ import annotations

from torch.nn import functional as F

# Strides of 32 pixels, as backbones have them, need at least one step.
SMALLEST_SIDE = 32


def pad_small(data: dict, side: int = SMALLEST_SIDE) -> dict:
    """Repeat the last row and column of an input (3, H', W') until both sides have ``side`` pixels.

    The sample remembers how many were added, so that the result comes back without them.
    """
    height, width = data['inputs'].shape[-2:]
    bottom, right = max(side - height, 0), max(side - width, 0)
    if not bottom and not right:
        return data
    padded = F.pad(data['inputs'][None].float(), (0, right, 0, bottom), mode='replicate')[0].to(data['inputs'].dtype)
    shape = tuple(padded.shape[-2:])
    data['data_samples'].set_metainfo(dict(img_shape=shape, pad_shape=shape, img_padding_size=(0, right, 0, bottom)))
    return dict(data, inputs=padded)

"""Maps at randomly drawn pixels, for networks that see one pixel at a time."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def draw_pixels(labels: Tensor, count: int) -> Tensor:
    """Draw pixels of every image, with replacement.

    Args:
        labels: Labels (N, H, W).
        count: How many of each image.

    Returns:
        Row and column of each, shape (N, count, 2), int64.

    Examples:
        >>> draw_pixels(torch.zeros(2, 4, 6), count=5).shape
        torch.Size([2, 5, 2])
    """
    number, height, width = labels.shape
    flat = torch.randint(height * width, (number, count), device=labels.device)
    return torch.stack([flat // width, flat % width], dim=-1)


def at_pixels(maps: Tensor, pixels: Tensor, size: tuple[int, int], align_corners: bool = False) -> Tensor:
    """Values that maps have at these pixels once they are resized, bilinear.

    Args:
        maps: Shape (N, C, h, w).
        pixels: Row and column in the resized maps, shape (N, S, 2).
        size: Height and width of the resized maps.
        align_corners: How they are resized, as in :func:`torch.nn.functional.interpolate`.

    Returns:
        Shape (N, C, S, 1).

    Examples:
        >>> maps, pixels = torch.tensor([[1., 2.], [3., 4.]]).view(1, 1, 2, 2), torch.tensor([[[1, 0]]])
        >>> at_pixels(maps, pixels, size=(2, 2)).item()
        3.0
    """
    scale = torch.tensor(size, device=maps.device)
    if align_corners:
        grid = (2 * pixels.to(maps) / (scale - 1).clamp_min(1) - 1).flip(-1)
    else:
        grid = ((2 * pixels.to(maps) + 1) / scale - 1).flip(-1)
    return F.grid_sample(maps, grid[:, :, None], mode='bilinear', padding_mode='border', align_corners=align_corners)


def labels_at(labels: Tensor, pixels: Tensor) -> Tensor:
    """Labels (N, H, W) at pixels (N, S, 2), shape (N, S, 1).

    Examples:
        >>> labels_at(torch.tensor([[[1, 2], [3, 4]]]), pixels=torch.tensor([[[1, 0], [0, 1]]])).flatten()
        tensor([3, 2])
    """
    flat = pixels[..., 0] * labels.shape[-1] + pixels[..., 1]
    return labels.flatten(1).gather(1, flat)[..., None]

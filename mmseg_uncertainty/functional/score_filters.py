"""Filters of a score map: Gaussian smoothing, and suppression of the scores along class boundaries."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

PADDING_MODES = ('reflect', 'replicate')


def gaussian_smoothing(score: Tensor,
                       kernel_size: int = 7,
                       sigma: float = 1.0,
                       dilation: int = 1,
                       padding_mode: str = 'reflect') -> Tensor:
    """Convolve a score map with a normalized Gaussian.

    Args:
        score: Shape (N, h, w), any size.
        kernel_size: Taps per side, odd.
        sigma: Standard deviation in taps, positive.
        dilation: Pixels from one tap to the next.
        padding_mode: What lies beyond the border: the map mirrored about its outermost pixels (``'reflect'``) or those
            pixels repeated (``'replicate'``).

    Returns:
        Shape (N, h, w), within the range of ``score``.

    Examples:
        >>> dot = torch.zeros(1, 5, 5)
        >>> dot[0, 2, 2] = 1
        >>> smooth = gaussian_smoothing(dot, kernel_size=3)
        >>> smooth.sum().round(decimals=4), smooth[0, 2, 2].round(decimals=4)  # (1 + 2 exp(-1/2)) ** -2
        (tensor(1.), tensor(0.2042))
    """
    if padding_mode not in PADDING_MODES:
        raise ValueError(f'padding_mode={padding_mode!r} is unknown; choose from {PADDING_MODES}.')
    if kernel_size % 2 != 1 or sigma <= 0:
        raise ValueError(f'kernel_size={kernel_size} must be odd and sigma={sigma} positive.')
    radius = kernel_size // 2
    taps = torch.arange(-radius, radius + 1, dtype=score.dtype, device=score.device)
    kernel = torch.exp(-(taps / sigma).square() / 2)
    kernel = kernel / kernel.sum()
    maps = _pad(score, radius * dilation, padding_mode).unsqueeze(1)
    maps = F.conv2d(maps, kernel.view(1, 1, -1, 1), dilation=(dilation, 1))
    return F.conv2d(maps, kernel.view(1, 1, 1, -1), dilation=(1, dilation)).squeeze(1)


def class_boundaries(class_map: Tensor) -> Tensor:
    """Pixels next to another class: the largest class of the 4-neighbourhood differs from the smallest of the 3x3 window.

    Args:
        class_map: Shape (N, h, w), integers.

    Returns:
        Shape (N, h, w), bool.

    Examples:
        >>> class_boundaries(torch.tensor([[[0, 0, 0, 1, 1]]]))
        tensor([[[False, False,  True,  True, False]]])
    """
    classes = class_map.float()
    return _dilate(classes) != -_largest(-classes, (3, 3))


def boundary_suppression(score: Tensor, class_map: Tensor, radius: int = 3) -> Tensor:
    """Replace scores along class boundaries by the mean of what lies beyond them, from outside inwards.

    Boundaries are widened by an L1 ball of radius ``radius``, ..., 1, 0 in turn; in every round each pixel of the widened
    boundary takes the mean of the pixels of its 3x3 window that are not part of it, and stays as it is where there is
    none.

    Jung et al., "Standardized Max Logits: A Simple yet Effective Approach for Identifying Unexpected Road Obstacles in
    Urban-Scene Segmentation", ICCV 2021, section 3.4.

    Args:
        score: Shape (N, h, w).
        class_map: Predicted classes, shape (N, h, w).
        radius: Widening in the first round, in pixels.

    Returns:
        Shape (N, h, w), within the range of ``score``.

    Examples:
        >>> score, classes = torch.tensor([[[1., 9., 9., 2.]]]), torch.tensor([[[0, 0, 1, 1]]])
        >>> boundary_suppression(score, classes, radius=0)
        tensor([[[1., 1., 2., 2.]]])
    """
    widened = [class_boundaries(class_map).to(score)]
    for _ in range(radius):
        widened.append(_dilate(widened[-1]))
    for boundary in reversed(widened):
        outside = 1 - boundary
        total, count = (_window_sum(maps) for maps in (score * outside, outside))
        score = torch.where((boundary > 0) & (count > 0), total / count.clamp_min(1), score)
    return score


def suppress_boundaries_and_smooth(score: Tensor,
                                   class_map: Tensor,
                                   radius: int = 3,
                                   kernel_size: int = 7,
                                   sigma: float = 1.0,
                                   dilation: int = 6) -> Tensor:
    """Boundary suppression followed by dilated Gaussian smoothing, the post-processing of standardized max-logits.

    Args:
        score: Shape (N, h, w).
        class_map: Predicted classes, shape (N, h, w).
        radius: See :func:`boundary_suppression`.
        kernel_size: See :func:`gaussian_smoothing`.
        sigma: See :func:`gaussian_smoothing`.
        dilation: See :func:`gaussian_smoothing`.

    Examples:
        >>> score, classes = torch.tensor([[[1., 9., 9., 1.]]]), torch.tensor([[[0, 0, 1, 1]]])
        >>> suppress_boundaries_and_smooth(score, classes, radius=0).round(decimals=4)
        tensor([[[1., 1., 1., 1.]]])
    """
    suppressed = boundary_suppression(score, class_map, radius)
    return gaussian_smoothing(suppressed, kernel_size, sigma, dilation, 'replicate')


def _dilate(maps: Tensor) -> Tensor:
    return torch.maximum(_largest(maps, (3, 1)), _largest(maps, (1, 3)))


def _largest(maps: Tensor, window: tuple[int, int]) -> Tensor:
    """Largest value of the window around each pixel; exporters know pooling with a channel axis only."""
    padding = (window[0] // 2, window[1] // 2)
    return F.max_pool2d(maps.unsqueeze(1), window, stride=1, padding=padding).squeeze(1)


def _window_sum(maps: Tensor) -> Tensor:
    return 9 * F.avg_pool2d(_pad(maps, 1, 'replicate').unsqueeze(1), 3, stride=1).squeeze(1)


def _pad(maps: Tensor, width: int, mode: str) -> Tensor:
    rows, columns = (_source_index(size, width, mode, maps.device) for size in maps.shape[-2:])
    return maps[:, rows][:, :, columns]


def _source_index(size: int, width: int, mode: str, device: torch.device) -> Tensor:
    index = torch.arange(-width, size + width, device=device)
    if mode == 'replicate':
        return index.clamp(0, size - 1)
    period = max(2 * (size - 1), 1)
    index = index.remainder(period)
    return torch.minimum(index, (period - index).clamp_min(0)) if size > 1 else torch.zeros_like(index)

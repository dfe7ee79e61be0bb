"""Layers in operators that exporters know for images of any size."""
from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.models import EnsembleSegmentor, PosthocSegmentor
from mmseg_uncertainty.models.calibrators.spline_calibration import SplineCalibration
from mmseg_uncertainty.models.decode_heads import MCDropoutHead
from mmseg_uncertainty.models.flows.class_conditional_gaussian import ClassConditionalGaussian
from mmseg_uncertainty.models.flows.invertible_convolution import InvertibleConvolution
from mmseg_uncertainty.models.flows.published_block import PublishedBlock


# Functions of weights alone, in which ONNX lacks an operator.
CONSTANTS = ((InvertibleConvolution, 'weight'), (ClassConditionalGaussian, 'precision_factor'), (PublishedBlock, 'mixing_log_det'))


def make_traceable(module: nn.Module) -> None:
    """Rewrite the layers of a model for exporting, in place.

    Matrices of weights are computed now, since ONNX lacks what builds them; attention becomes plain products, and adaptive
    pooling products with matrices of shares; masks of MC-dropout become constants; sorted points are searched by halving.
    """
    if isinstance(module, EnsembleSegmentor):
        _hold_members(module)
    for part in module.modules():
        for kind, method in CONSTANTS:
            if isinstance(part, kind):
                value = getattr(part, method)().detach()
                setattr(part, method, _constant(value.clone(memory_format=torch.contiguous_format)))
        if isinstance(part, nn.MultiheadAttention):
            part.forward = partial(attend, part)
        if isinstance(part, nn.AdaptiveAvgPool2d) and part.output_size not in (1, (1, 1)):
            part.forward = partial(mean_of_bins, output_size=part.output_size)
        if isinstance(part, MCDropoutHead):
            part.fix_masks()
        if isinstance(part, SplineCalibration):
            part.search = bisect


def halve(model: PosthocSegmentor) -> None:
    """Let the base model, and the other members of an ensemble, compute in float16, and resize its output in float32."""
    for base in (model.base, *getattr(model, 'member_networks', ())):
        base.network.half()
        if base.classifier is not None:
            base.classifier.register_forward_hook(lambda _, __, output: output.float())


def _hold_members(ensemble: EnsembleSegmentor) -> None:
    """Give every member layers of its own: a graph cannot exchange weights."""
    networks = nn.ModuleList()
    for member in range(len(ensemble.members)):
        with ensemble.members.of(member):
            networks.append(copy.deepcopy(ensemble.base))
    ensemble.member_networks = networks
    ensemble.member_pass = lambda member, inputs, metas: networks[member](inputs, metas)


def bisect(points: Tensor, values: Tensor, right: bool = False) -> Tensor:
    """Positions as :func:`torch.searchsorted` finds them, by halving.

    Args:
        points: Ascending, shape (n,).
        values: Any shape.
        right: Whether equal points lie before a value.

    Returns:
        Number of points before each value, of the shape of the values, int64.
    """
    before, count = torch.le if right else torch.lt, len(points)
    index, step = torch.zeros_like(values, dtype=torch.long), 1 << (count.bit_length() - 1)
    while step:
        further = (index + step).clamp(max=count)
        index = torch.where(before(points[further - 1], values) & (index + step <= count), further, index)
        step //= 2
    return index


def attend(attention: nn.MultiheadAttention, query: Tensor, key: Tensor, value: Tensor, **_) -> tuple[Tensor, None]:
    """Attention without mask, as :class:`torch.nn.MultiheadAttention` has it; its own trace fixes the lengths."""
    axes = (0, 2, 1, 3) if attention.batch_first else (1, 2, 0, 3)
    weights, biases = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
    query, key, value = (F.linear(tokens, weight, bias).unflatten(-1, (attention.num_heads, -1)).permute(axes)
                         for tokens, weight, bias in zip((query, key, value), weights, biases))
    similarity = (query * attention.head_dim**-0.5) @ key.transpose(-2, -1)
    mixed = similarity.softmax(dim=-1) @ value
    mixed = mixed.permute((0, 2, 1, 3) if attention.batch_first else (2, 0, 1, 3)).flatten(start_dim=2)
    return attention.out_proj(mixed), None


def mean_of_bins(maps: Tensor, output_size: int | tuple[int | None, int | None]) -> Tensor:
    """Adaptive average pooling as :class:`torch.nn.AdaptiveAvgPool2d` has it, by two matrix products.

    Args:
        maps: Shape (N, C, H, W).
        output_size: Rows and columns of bins, one number for both; ``None`` keeps an axis as it is.

    Returns:
        Shape (N, C, \\*output_size).
    """
    rows, columns = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    if rows is not None:
        maps = _shares(maps.shape[2], rows, maps) @ maps
    return maps if columns is None else maps @ _shares(maps.shape[3], columns, maps).T


def _shares(length: int | Tensor, bins: int, like: Tensor) -> Tensor:
    """Share of each position in the mean of each bin, shape (bins, length); bins overlap where they do not divide."""
    index, position = torch.arange(bins, device=like.device), torch.arange(length, device=like.device)
    start, end = index * length // bins, ((index + 1) * length + bins - 1) // bins
    inside = (position >= start[:, None]) & (position < end[:, None])
    return inside.to(like) / (end - start).to(like)[:, None]


def _constant(value: Tensor) -> Callable[[], Tensor]:
    return lambda: value

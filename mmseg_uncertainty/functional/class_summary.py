"""Four numbers per pixel from which every stateless score follows, gathered in one pass over the classes."""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK_PIXELS = 16_384


@dataclass(frozen=True)
class ClassSummary:
    r"""Sufficient statistics of the class logits of every pixel.

    With :math:`d_k = \max_j z_j - z_k` and :math:`t` the arg-max:

    Args:
        maximum: :math:`z_t`, shape (N, \*).
        gap: Distance to the second largest logit, at least 0.
        rest: :math:`\sum_{k \ne t} e^{-d_k}`, between 0 and K - 1. Summed without the arg-max, so that it keeps its
            relative precision where the arg-max takes nearly all probability.
        spread: :math:`\sum_k d_k e^{-d_k}`, at least 0.
    """

    maximum: Tensor
    gap: Tensor
    rest: Tensor
    spread: Tensor


def summarize(logits: Tensor) -> ClassSummary:
    r"""Summarize class logits; pixels are visited in blocks that fit the cache.

    Args:
        logits: Shape (N, K, \*) with K at least 2.

    Returns:
        Maps of shape (N, \*) in float32, or float64 for float64 logits.

    Raises:
        ValueError: Fewer than two classes.
    """
    if logits.shape[1] < 2:
        raise ValueError(f'Class logits need at least 2 classes, got the shape {tuple(logits.shape)}.')
    dtype = torch.promote_types(logits.dtype, torch.float32)
    if not _visits_in_blocks(logits):
        return ClassSummary(*_summarize_block(logits.to(dtype)))
    flat = logits.flatten(start_dim=2)
    maps = [torch.empty(len(flat), flat.shape[2], dtype=dtype) for _ in range(4)]
    for image, rows in zip(flat, zip(*maps)):
        for start in range(0, flat.shape[2], BLOCK_PIXELS):
            block = slice(start, start + BLOCK_PIXELS)
            for row, values in zip(rows, _summarize_block(image[None, :, block].to(dtype))):
                row[block] = values[0]
    shape = logits.shape[:1] + logits.shape[2:]
    return ClassSummary(*(values.view(shape) for values in maps))


def _visits_in_blocks(logits: Tensor) -> bool:
    return not (logits.is_cuda or logits.requires_grad or torch.jit.is_tracing() or torch.compiler.is_compiling())


def _summarize_block(logits: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    maximum, second = logits[:, 0], torch.full_like(logits[:, 0], -torch.inf)
    for values in logits.unbind(dim=1)[1:]:
        second = torch.maximum(second, torch.minimum(maximum, values))
        maximum = torch.maximum(maximum, values)
    distance = maximum.unsqueeze(1) - logits
    weight = torch.exp(-distance)
    below = distance > 0
    ties = logits.shape[1] - 1 - below.sum(dim=1)
    rest = (weight * below).sum(dim=1) + ties
    return maximum, maximum - second, rest, (distance * weight).sum(dim=1)

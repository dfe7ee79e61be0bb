"""Five numbers per pixel from which the prediction and every stateless score follow, gathered in one pass over the classes."""
from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .class_summary_kernel import LARGEST_DISTANCE, summarize_rows
from .compiled import is_compiling

LARGEST_DISTANCES = {torch.float32: float(LARGEST_DISTANCE), torch.float64: 708.}


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
        predicted: :math:`t`, the first of equal ones, shape (N, \*), int32 or int64.

    Examples:
        >>> summary = summarize(torch.tensor([[0.7, 0.2, 0.1]]).log())
        >>> summary.rest  # (0.2 + 0.1) / 0.7
        tensor([0.4286])
    """

    maximum: Tensor
    gap: Tensor
    rest: Tensor
    spread: Tensor
    predicted: Tensor


def summarize(logits: Tensor) -> ClassSummary:
    r"""Summarize class logits.

    Float32 and below on a CPU take a compiled kernel that visits pixels in blocks that fit the cache, as many threads as
    :func:`torch.get_num_threads` says; CUDA takes the plain version through ``torch.compile``. Autograd, tracing and float64
    take the plain version. All agree up to rounding, and on ``predicted`` exactly. A logit of -inf, or one so far below the
    largest that their distance is infinite, has no probability and adds nothing.

    Args:
        logits: Shape (N, K, \*) with K at least 2, without NaN; the largest of a pixel must be finite.

    Returns:
        Maps of shape (N, \*) in float32, or float64 for float64 logits.

    Raises:
        ValueError: Fewer than two classes.

    Examples:
        >>> summary = summarize(torch.tensor([[5., 1., 3.]]))
        >>> summary.maximum, summary.gap
        (tensor([5.]), tensor([2.]))
    """
    if logits.shape[1] < 2:
        raise ValueError(f'Class logits need at least 2 classes, got the shape {tuple(logits.shape)}.')
    if logits.requires_grad or torch.jit.is_tracing() or is_compiling():
        return ClassSummary(*summarize_plainly(logits))
    if logits.is_cuda:
        return ClassSummary(*_compiled()(logits))
    if logits.dtype == torch.float64 or logits.device.type != 'cpu':
        return ClassSummary(*summarize_plainly(logits))
    flat = logits.detach().unsqueeze(-1).flatten(start_dim=2).float().contiguous().numpy()
    images = zip(*(summarize_rows(image, torch.get_num_threads()) for image in flat))
    shape = logits.shape[:1] + logits.shape[2:]
    return ClassSummary(*(torch.stack([torch.from_numpy(row) for row in rows]).view(shape) for rows in images))


def summarize_plainly(logits: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The fields of :class:`ClassSummary` by operators of torch alone; see :func:`summarize`."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    maximum, second = logits[:, 0], torch.full_like(logits[:, 0], -torch.inf)
    for values in logits.unbind(dim=1)[1:]:
        second = torch.maximum(second, torch.minimum(maximum, values))
        maximum = torch.maximum(maximum, values)
    # Beyond it e^(-d) is 0 but for rounding, while infinity times 0 would not be.
    distance = (maximum.unsqueeze(1) - logits).clamp(max=LARGEST_DISTANCES[logits.dtype])
    weight = torch.exp(-distance)
    below = distance > 0
    ties = logits.shape[1] - 1 - below.sum(dim=1)
    rest = (weight * below).sum(dim=1) + ties
    return maximum, maximum - second, rest, (distance * weight).sum(dim=1), logits.argmax(dim=1)


@functools.cache
def _compiled() -> Callable[[Tensor], tuple[Tensor, ...]]:
    """The plain version, fused by ``torch.compile``; as it is where that fails, which is said once."""
    compiled, failed = torch.compile(summarize_plainly, dynamic=True), []

    def run(logits: Tensor) -> tuple[Tensor, ...]:
        if not failed:
            try:
                return compiled(logits)
            except Exception as error:  # the backends of torch.compile share no class of errors
                failed.append(error)
                warnings.warn(f'torch.compile cannot fuse the class summary ({type(error).__name__}: {error}); the plain '
                              'version takes its place, which is slower.', stacklevel=2)
        return summarize_plainly(logits)
    return run

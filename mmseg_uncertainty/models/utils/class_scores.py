"""What a base model's output says about the classes, as logits."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmseg.models.decode_heads import Mask2FormerHead, MaskFormerHead
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

MASK_HEADS = (MaskFormerHead, Mask2FormerHead)


def class_logits(scores: Tensor, decode_head: nn.Module) -> Tensor:
    r"""Logits whose softmax is the base model's distribution over classes.

    - One sigmoid channel gets the background logit 0 beside it, so that softmax equals sigmoid.
    - Mask transformers give :math:`S_k = \sum_q p_q(k) m_q \ge 0`, the mass that their queries assign to class k; its
      logarithm is the logit, so that the softmax is :math:`S_k / \sum_j S_j`.
    - All other outputs are logits already.

    Args:
        scores: Output of the base model, shape (N, K, H, W).
        decode_head: Its (last) decode head.

    Returns:
        Shape (N, K, H, W), or (N, 2, H, W) for one channel; with the same arg-max as ``scores``.
    """
    if isinstance(decode_head, MASK_HEADS):
        return scores.clamp_min(torch.finfo(scores.dtype).tiny).log()
    return F.pad(scores, (0, 0, 0, 0, 1, 0)) if scores.shape[1] == 1 else scores


def check_mask_head(config: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Raise where a decode head is a mask transformer and mmdet, which holds its layers, cannot be imported.

    Args:
        config: Config of a decode head, or of several.

    Raises:
        ImportError: mmdet is missing or does not load.
    """
    last = config if isinstance(config, Mapping) else config[-1]
    kind = MODELS.get(last['type']) if isinstance(last['type'], str) else last['type']
    if kind not in MASK_HEADS:
        return
    try:
        from mmdet.models import dense_heads  # noqa: F401
    except ImportError as error:
        raise ImportError(f'{kind.__name__} is built from layers of onedl-mmdetection, which cannot be imported ({error}). '
                          'Run `pip install "mmseg_uncertainty[mask2former]"`.') from error

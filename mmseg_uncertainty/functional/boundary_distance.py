"""How far features are from where a linear classifier changes its mind."""
from __future__ import annotations

import torch
from torch import Tensor


def boundary_distance(logits: Tensor, features: Tensor, weight: Tensor, center: Tensor,
                      predicted: Tensor | None = None) -> Tensor:
    r"""Negative mean distance to the decision boundaries, relative to that from the mean feature (fDBD).

    .. math:: -\frac{1}{K - 1} \sum_{k \ne t} \frac{|z_t - z_k|}{\|w_t - w_k\| \, \|f - \mu\|}

    Liu and Qin, "Fast Decision Boundary based Out-of-Distribution Detector", ICML 2024, eq. 4 and 6.

    Args:
        logits: Class logits :math:`z = W f + b`, shape (N, K, h, w).
        features: f, shape (N, C, h, w).
        weight: W, shape (K, C).
        center: :math:`\mu`, shape (C,).
        predicted: Predicted classes t, shape (N, h, w); ``None`` is the arg-max.

    Returns:
        Shape (N, h, w), at most 0; higher is more uncertain.

    Examples:
        >>> features = torch.tensor([3., 4.]).view(1, 2, 1, 1)
        >>> logits, weight = features, torch.eye(2)
        >>> boundary_distance(logits, features, weight, center=torch.zeros(2))  # -(4 - 3) / (sqrt(2) · 5)
        tensor([[[-0.1414]]])
    """
    predicted = logits.argmax(dim=1) if predicted is None else predicted
    apart = (weight[:, None] - weight).norm(dim=-1)
    apart = apart + torch.eye(len(apart)).to(apart)
    gaps = (logits.gather(1, predicted.unsqueeze(1)) - logits).abs()
    distances = (gaps / apart[predicted].permute(0, 3, 1, 2)).sum(dim=1) / (len(weight) - 1)
    reach = (features - center[:, None, None]).norm(dim=1)
    return -distances / reach.clamp_min(torch.finfo(reach.dtype).eps)

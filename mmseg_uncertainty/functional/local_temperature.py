"""Temperatures of single pixels from a tree of gated branches."""
from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

UNIT_SOFTPLUS = math.log(math.e - 1)


def mix_branches(branches: Tensor, gates: Tensor, image_branch: Tensor, image_gate: Tensor) -> Tensor:
    r"""Mix four branches of the logits, then the image branch, by sigmoid gates.

    With :math:`m(g, a, b) = \sigma(g) a + (1 - \sigma(g)) b`, the result is
    :math:`m(g_\mathrm{img}, m(g_3, m(g_1, t_1, t_2), m(g_2, t_3, t_4)), t_\mathrm{img})`.
    Ding et al., "Local Temperature Scaling for Probability Calibration", ICCV 2021.

    Args:
        branches: :math:`t_1..t_4`, shape (N, 4, H, W).
        gates: :math:`g_1..g_3`, shape (N, 3, H, W).
        image_branch: Shape (N, 1, H, W).
        image_gate: Shape (N, 1, H, W).

    Returns:
        Shape (N, 1, H, W).

    Examples:
        >>> branches, gates = torch.tensor([1., 2., 3., 4.]).view(1, 4, 1, 1), torch.zeros(1, 3, 1, 1)
        >>> image_branch, image_gate = torch.full((1, 1, 1, 1), 0.5), torch.zeros(1, 1, 1, 1)
        >>> mix_branches(branches, gates, image_branch, image_gate).item()  # gates half open: (2.5 + 0.5) / 2
        1.5
    """
    t1, t2, t3, t4 = branches.split(1, dim=1)
    g1, g2, g3 = gates.sigmoid().split(1, dim=1)
    first, second = g1 * t1 + (1 - g1) * t2, g2 * t3 + (1 - g2) * t4
    image_gate = image_gate.sigmoid()
    return image_gate * (g3 * first + (1 - g3) * second) + (1 - image_gate) * image_branch


def published_temperature(mixed: Tensor) -> Tensor:
    """Released rule: 2 plus the mixture of branches, cut at 1e-8; unfitted networks divide by 2.

    Args:
        mixed: What :func:`mix_branches` returns.
    """
    return (mixed + 2).relu() + 1e-8


def positive_temperature(mixed: Tensor, floor: float = 0.05) -> Tensor:
    """Smooth temperature above ``floor``, exactly 1 where the mixture is 0, increasing in it.

    Args:
        mixed: What :func:`mix_branches` returns.
        floor: Smallest temperature, in (0, 1).

    Examples:
        >>> positive_temperature(torch.tensor([-100., 0.]).view(1, 1, 1, 2)).flatten()
        tensor([0.0500, 1.0000])
    """
    unit = F.softplus(torch.zeros_like(mixed[:1, :1, :1, :1]) + UNIT_SOFTPLUS)
    return (1 + (1 - floor) * (F.softplus(mixed + UNIT_SOFTPLUS) / unit - 1)).clamp(min=floor)

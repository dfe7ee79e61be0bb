"""Scores of mask transformers, from the masks of their queries and from the mass of every class."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def rejected_by_all(mass: Tensor) -> Tensor:
    r"""Rejected by all (RbA), :math:`-\sum_k \tanh S_k`.

    Nayal et al., "RbA: Segmenting Unknown Regions Rejected by All", ICCV 2023, eq. 4.

    Args:
        mass: Mass of every class :math:`S_k = \sum_q p_q(k)\, m_q`, non-negative, shape (N, K, \*).

    Returns:
        Shape (N, \*), in [-K, 0]; higher is more uncertain.

    Examples:
        >>> rejected_by_all(torch.tensor([[9., 0.], [0., 0.]]))  # one class takes the first pixel, none the second
        tensor([-1.0000, -0.0000])
    """
    return -mass.tanh().sum(dim=1)


def mask_anomaly(classes: Tensor, masks: Tensor, confidence: float = 0.7, border: float | None = 0.1,
                 anomalous: Sequence[int] = (), share: float = 0.6) -> Tensor:
    r"""How little a pixel is covered by masks of queries that are sure of a class (Maskomaly).

    A query q is known where its likeliest class is an object, and sure where that has more than ``confidence``:
    :math:`r = \min_{q\,\mathrm{sure}} 1 - m_q \max_k p_q(k)`, 0 where two known masks meet. Queries that answer to anomalies, found
    on images with labels of such, add :math:`a = \max_q m_q \max_k p_q(k)`.

    Ackermann, Sakaridis and Yu, "Maskomaly: Zero-Shot Mask Anomaly Segmentation", BMVC 2023, Section 3, with the constants of its
    released code.

    Args:
        classes: Class logits of the queries, the last one "no object", shape (N, Q, K + 1).
        masks: Mask logits of the queries, shape (N, Q, h, w).
        confidence: See above.
        border: Where two known masks exceed it they meet; ``None`` does without.
        anomalous: Queries that answer to anomalies.
        share: Weight of r, one minus that of a; not read without ``anomalous``.

    Returns:
        Shape (N, h, w), in [0, 1]; higher is more uncertain.

    Examples:
        >>> classes = torch.tensor([[[9., 0., 0.], [0., 0., 9.]]])  # one query is sure of class 0, the other of no object
        >>> masks = torch.tensor([[[[9., -9.]], [[0., 0.]]]])  # the first covers the left pixel
        >>> mask_anomaly(classes, masks)
        tensor([[[3.7003e-04, 9.9988e-01]]])
    """
    probabilities, covered = classes.softmax(dim=-1), masks.sigmoid()
    highest, likeliest = probabilities.max(dim=-1)
    known = likeliest < classes.shape[-1] - 1
    sure = (known & (highest > confidence))[..., None, None]
    weighted = covered * highest[..., None, None]
    rejected = 1 - torch.where(sure, weighted, 0.0).amax(dim=1)
    if border is not None:
        meet = ((covered > border) & known[..., None, None]).sum(dim=1) > 1
        rejected = rejected.masked_fill(meet, 0.0)
    if not anomalous:
        return rejected
    return share * rejected + (1 - share) * weighted[:, list(anomalous)].amax(dim=1)

"""How far a feature lies from those a model was calibrated on: Gaussians, a subspace, the nearest neighbours."""
from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CHUNK_ENTRIES = 2**24


class FeatureMoments(NamedTuple):
    """Sums over labelled features: count per class (K,) int64, sum per class (K, C) and products (C, C) float64."""

    count: Tensor
    sums: Tensor
    products: Tensor

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, num_classes: int) -> FeatureMoments:
        """Sums of features (M, C) with labels (M,) in [0, K)."""
        features = features.detach().double()
        count = torch.bincount(labels, minlength=num_classes)
        sums = features.new_zeros(num_classes, features.shape[1]).index_add_(0, labels, features)
        return cls(count, sums, features.T @ features)

    def merge(self, other: FeatureMoments) -> FeatureMoments:
        """Sums of both sets together."""
        return FeatureMoments(*(mine + theirs for mine, theirs in zip(self, other)))

    def class_means(self) -> Tensor:
        """Mean of every class, float64 (K, C); infinite where a class was never seen, so that it is never the nearest."""
        means = self.sums / self.count.clamp_min(1)[:, None]
        return means.masked_fill((self.count == 0)[:, None], torch.inf)

    def within_covariance(self) -> Tensor:
        """Covariance about the mean of the own class, float64 (C, C)."""
        seen = self.count > 0
        means = (self.sums / self.count.clamp_min(1)[:, None])[seen]
        between = means.T @ (means * self.count[seen][:, None])
        return (self.products - between) / self.count.sum().clamp_min(1)

    def second_moment(self, origin: Tensor) -> Tensor:
        """Mean of :math:`(f - o)(f - o)^T`, float64 (C, C)."""
        total = self.count.sum().clamp_min(1)
        mean = self.sums.sum(dim=0) / total
        crossed = torch.outer(mean, origin)
        return self.products / total - crossed - crossed.T + torch.outer(origin, origin)


def whitening(covariance: Tensor, shrinkage: float = 1e-3) -> Tensor:
    r"""A matrix A with :math:`A A^T = \Sigma^{-1}`, so that :math:`\|A^T f\|` is the Mahalanobis norm.

    Args:
        covariance: :math:`\Sigma`, float64 (C, C).
        shrinkage: Share of the mean variance that is added to the diagonal, so that constant channels do no harm.
    """
    ridge = shrinkage * covariance.diagonal().mean().clamp_min(1e-12)
    identity = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    return torch.linalg.cholesky(torch.linalg.inv(covariance + ridge * identity))


def mahalanobis_distance(features: Tensor, means: Tensor, factor: Tensor) -> Tensor:
    r"""Squared Mahalanobis distance to the nearest class mean, :math:`\min_k (f - \mu_k)^T \Sigma^{-1} (f - \mu_k)`.

    Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks",
    NeurIPS 2018, eq. 2.

    Args:
        features: Shape (N, C, h, w).
        means: Class means, shape (K, C); infinite for a class without mean.
        factor: See :func:`whitening`, shape (C, C).

    Returns:
        Shape (N, h, w), non-negative; higher is more uncertain.
    """
    known = means.isfinite().all(dim=1)
    center = means.where(known[:, None], 0.0).sum(dim=0) / known.sum().clamp_min(1)
    whitened = torch.einsum('nchw,cd->ndhw', features - center[:, None, None], factor)
    targets = (means.where(known[:, None], 0.0) - center) @ factor
    squared = whitened.square().sum(dim=1, keepdim=True) + targets.square().sum(dim=1).view(1, -1, 1, 1)
    squared = squared - 2 * torch.einsum('ndhw,kd->nkhw', whitened, targets)
    return squared.masked_fill(~known.view(1, -1, 1, 1), torch.inf).amin(dim=1).clamp_min(0)


def residual_basis(second_moment: Tensor, dimensions: int) -> Tensor:
    """Orthonormal basis of what the leading principal directions leave over.

    Args:
        second_moment: Float64 (C, C), symmetric.
        dimensions: Number of leading directions, below C.

    Returns:
        Shape (C, C - dimensions).
    """
    _, vectors = torch.linalg.eigh(second_moment)
    return vectors[:, :len(second_moment) - dimensions]


def residual_norm(features: Tensor, origin: Tensor, basis: Tensor) -> Tensor:
    """Length of the part of ``features - origin`` that lies in a subspace.

    Args:
        features: Shape (N, C, h, w).
        origin: Shape (C,).
        basis: Orthonormal columns, shape (C, R).

    Returns:
        Shape (N, h, w).
    """
    return torch.einsum('nchw,cr->nrhw', features - origin[:, None, None], basis).norm(dim=1)


def nearest_neighbour_distance(features: Tensor, bank: Tensor, valid: Tensor, neighbour: int) -> Tensor:
    """Euclidean distance to the k-th nearest entry of a bank, features scaled to unit length.

    Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", ICML 2022, eq. 1-2.

    Args:
        features: Shape (N, C, h, w).
        bank: Unit vectors, shape (M, C).
        valid: Which entries of the bank are filled, shape (M,), bool.
        neighbour: k, at most the number of filled entries.

    Returns:
        Shape (N, h, w), in [0, 2]; higher is more uncertain.
    """
    unit = torch.nn.functional.normalize(features, dim=1).movedim(1, -1)
    rows = unit.reshape(-1, unit.shape[-1])
    step = max(1, CHUNK_ENTRIES // len(bank))
    cosines = [(part @ bank.T).masked_fill(~valid, -torch.inf).topk(neighbour, dim=1).values[:, -1]
               for part in rows.split(step)]
    return (2 - 2 * torch.cat(cosines)).clamp_min(0).sqrt().view(unit.shape[:-1])

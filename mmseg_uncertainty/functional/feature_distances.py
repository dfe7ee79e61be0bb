"""How far a feature lies from those a model was calibrated on: Gaussians, a subspace, the nearest neighbours."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

CHUNK_ENTRIES = 2**24
SPARE = 8


class FeatureMoments(NamedTuple):
    """Moments of labelled features: count per class (K,) int64, means (K, C) and scatter about them (C, C) float64.

    Deviations from the mean are summed, not squares of the features, which would cancel where the mean is large beside them.

    Examples:
        >>> moments = FeatureMoments.of(torch.tensor([[1.], [3.], [10.]]), labels=torch.tensor([0, 0, 1]), num_classes=2)
        >>> moments.means.tolist(), moments.scatter.tolist()  # (1 - 2)² + (3 - 2)² + (10 - 10)²
        ([[2.0], [10.0]], [[2.0]])
    """

    count: Tensor
    means: Tensor
    scatter: Tensor

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, num_classes: int) -> FeatureMoments:
        """Moments of features (M, C) with labels (M,) in [0, K)."""
        features = features.detach().double()
        count = torch.bincount(labels, minlength=num_classes)
        sums = features.new_zeros(num_classes, features.shape[1]).index_add_(0, labels, features)
        means = sums / count.clamp_min(1)[:, None]
        deviations = features - means[labels]
        return cls(count, means, deviations.T @ deviations)

    def merge(self, other: FeatureMoments) -> FeatureMoments:
        """Moments of both sets together; Chan et al., "Updating formulae and a pairwise algorithm for computing sample
        variances", 1979."""
        count = self.count + other.count
        share = other.count.double() / count.clamp_min(1)
        shift = other.means - self.means
        between = shift.T @ (shift * (self.count * share)[:, None])
        return FeatureMoments(count, self.means + shift * share[:, None], self.scatter + other.scatter + between)

    def class_means(self) -> Tensor:
        """Mean of every class, float64 (K, C); infinite where a class was never seen, so that it is never the nearest."""
        return self.means.masked_fill((self.count == 0)[:, None], torch.inf)

    def common_mean(self) -> Tensor:
        """Mean of all features whatever their class, float64 (C,)."""
        return (self.means * self.count[:, None]).sum(dim=0) / self.count.sum().clamp_min(1)

    def within_covariance(self) -> Tensor:
        """Covariance about the mean of the own class, float64 (C, C)."""
        return self.scatter / self.count.sum().clamp_min(1)

    def second_moment(self, origin: Tensor) -> Tensor:
        """Mean of :math:`(f - o)(f - o)^T`, float64 (C, C)."""
        shift = self.means - origin
        return (self.scatter + shift.T @ (shift * self.count[:, None])) / self.count.sum().clamp_min(1)


def whitening(covariance: Tensor, shrinkage: float = 1e-3) -> Tensor:
    r"""A matrix A with :math:`A A^T = \Sigma^{-1}`, so that :math:`\|A^T f\|` is the Mahalanobis norm.

    Args:
        covariance: :math:`\Sigma`, float64 (C, C).
        shrinkage: Share of the mean variance that is added to the diagonal, so that constant channels do no harm; 1 stands
            in for a variance of 0.

    Examples:
        >>> whitening(torch.tensor([[4., 0.], [0., 4.]]), shrinkage=0)
        tensor([[0.5000, 0.0000],
                [0.0000, 0.5000]])
    """
    variance = covariance.diagonal().mean()
    identity = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    factor = torch.linalg.cholesky(covariance + shrinkage * torch.where(variance > 0, variance, 1.0) * identity)
    return torch.linalg.solve_triangular(factor, identity, upper=False).T


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

    Examples:
        >>> features, means = torch.tensor([7.]).view(1, 1, 1, 1), torch.tensor([[3.], [0.]])
        >>> mahalanobis_distance(features, means, factor=torch.tensor([[0.5]]))  # ((7 - 3) / 2)²
        tensor([[[4.]]])
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

    Examples:
        >>> residual_basis(torch.tensor([[9., 0.], [0., 1.]]), dimensions=1).abs()  # all but the largest variance
        tensor([[0.],
                [1.]])
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

    Examples:
        >>> features = torch.tensor([3., 4.]).view(1, 2, 1, 1)
        >>> residual_norm(features, origin=torch.zeros(2), basis=torch.tensor([[0.], [1.]]))
        tensor([[[4.]]])
    """
    return torch.einsum('nchw,cr->nrhw', features - origin[:, None, None], basis).norm(dim=1)


def principal_directions(covariance: Tensor, share: float | None = None, dimensions: int | None = None) -> Tensor:
    """Leading principal directions.

    Args:
        covariance: Float64 (C, C), symmetric.
        share: Share of the variance that they explain at least, in (0, 1]; not read with ``dimensions``.
        dimensions: Their number D.

    Returns:
        Orthonormal columns, shape (C, D).

    Examples:
        >>> covariance = torch.tensor([[9., 0.], [0., 1.]])
        >>> principal_directions(covariance, share=0.9).abs()
        tensor([[1.],
                [0.]])
        >>> principal_directions(covariance, share=0.95).shape
        torch.Size([2, 2])
    """
    values, vectors = torch.linalg.eigh(covariance)
    if dimensions is None:
        explained = values.flip(0).clamp_min(0).cumsum(dim=0)
        dimensions = int((explained < explained[-1] * (1 if share is None else share)).sum()) + 1
    return vectors[:, -dimensions:]


def principal_share(features: Tensor, center: Tensor, deviation: Tensor, directions: Tensor) -> Tensor:
    r"""Share of the length of a standardized feature that lies in a subspace, :math:`\|P^T g\| / \|g\|`, g = (f - m) / s.

    Ben Ammar et al., "NECO: Neural Collapse Based Out-of-distribution Detection", ICLR 2024, eq. 7, on features standardized
    as in its released code.

    Args:
        features: Shape (N, C, h, w).
        center: m, shape (C,).
        deviation: s, shape (C,), positive.
        directions: Orthonormal columns P, shape (C, D).

    Returns:
        Shape (N, h, w), in [0, 1].

    Examples:
        >>> features = torch.tensor([3., 4.]).view(1, 2, 1, 1)
        >>> principal_share(features, torch.zeros(2), torch.ones(2), directions=torch.tensor([[1.], [0.]]))  # 3 of 5
        tensor([[[0.6000]]])
    """
    standardized = (features - center[:, None, None]) / deviation[:, None, None]
    inside = torch.einsum('nchw,cd->ndhw', standardized, directions).norm(dim=1)
    return inside / standardized.norm(dim=1).clamp_min(torch.finfo(features.dtype).eps)


def nearest_neighbour_distance(features: Tensor, bank: Tensor, valid: Tensor, neighbour: int, normalize: bool = True,
                               average: bool = False) -> Tensor:
    """Euclidean distance to the k-th nearest entry of a bank, or its mean over the k nearest.

    Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", ICML 2022, eq. 1-2, features scaled to unit length;
    the mean over neighbours is that of Galesso et al., "Far Away in the Deep Space", ICCV Workshops 2023. Products find the
    candidates, :data:`SPARE` more than needed; distances are those of differences, since 2 - 2 cos loses all digits of small ones.

    Args:
        features: Shape (N, C, h, w).
        bank: Shape (M, C), unit vectors where features are scaled.
        valid: Which entries of the bank are filled, shape (M,), bool.
        neighbour: k, at most the number of filled entries.
        normalize: Whether features are scaled to unit length.
        average: Whether the mean of the k smallest distances is taken in place of the k-th.

    Returns:
        Shape (N, h, w), non-negative, at most 2 for unit vectors; higher is more uncertain.

    Examples:
        >>> features, bank = torch.tensor([0., 3.]).view(1, 2, 1, 1), torch.eye(2)
        >>> nearest_neighbour_distance(features, bank, valid=torch.tensor([True, True]), neighbour=2)  # orthogonal: sqrt(2)
        tensor([[[1.4142]]])
        >>> nearest_neighbour_distance(features, bank, torch.tensor([True, True]), neighbour=2, average=True)  # of 0 and sqrt(2)
        tensor([[[0.7071]]])
    """
    rows, size = _rows(features, normalize)
    return _in_whole_bank(rows, bank, valid, neighbour, normalize, average).view(size)


def group_centres(entries: Tensor, groups: int, iterations: int = 20) -> Tensor:
    """Centres of groups of near entries, by k-means from entries evenly spaced in their order.

    Args:
        entries: Shape (M, C).
        groups: G, at most M.
        iterations: Rounds of k-means.

    Returns:
        Shape (G, C).

    Examples:
        >>> group_centres(torch.tensor([[0.], [1.], [10.], [12.]]), groups=2)
        tensor([[ 0.5000],
                [11.0000]])
    """
    centres = entries[torch.arange(groups, device=entries.device) * len(entries) // groups].clone()
    for _ in range(iterations):
        group = nearest_centre(entries, centres)
        count = torch.bincount(group, minlength=groups)[:, None]
        sums = centres.new_zeros(centres.shape, dtype=torch.float64).index_add_(0, group, entries.double())
        centres = torch.where(count > 0, sums / count.clamp_min(1), centres).to(entries)
    return centres


def nearest_centre(entries: Tensor, centres: Tensor) -> Tensor:
    """Centre (G, C) that is nearest to each entry (M, C), shape (M,), int64.

    Examples:
        >>> nearest_centre(torch.tensor([[1.], [9.]]), centres=torch.tensor([[10.], [0.]]))
        tensor([1, 0])
    """
    offsets = _offsets(centres, normalize=False)
    parts = entries.split(max(1, CHUNK_ENTRIES // len(centres)))
    return torch.cat([torch.addmm(offsets, part, centres.T).argmax(dim=1) for part in parts])


def grouped_neighbour_distance(features: Tensor, bank: Tensor, ends: Sequence[int], centres: Tensor, neighbour: int, probes: int,
                               normalize: bool = True, average: bool = False) -> Tensor:
    """:func:`nearest_neighbour_distance`, searched in the nearest groups of the bank alone.

    An inverted file: Jégou, Douze and Schmid, "Product Quantization for Nearest Neighbor Search", TPAMI 2011, section 4. What is
    found is never nearer than the nearest in the whole bank, and the same where all groups are searched. Features whose groups
    hold fewer than k entries are searched in the whole bank.

    Args:
        features: Shape (N, C, h, w).
        bank: Shape (M, C), sorted by group; unit vectors where features are scaled.
        ends: Group g is ``bank[ends[g]:ends[g + 1]]``; what follows the last group is not filled.
        centres: Centre of each group, shape (G, C).
        neighbour: k, at most the number of filled entries.
        probes: Groups that are searched for each feature, at most G.
        normalize: See :func:`nearest_neighbour_distance`.
        average: See :func:`nearest_neighbour_distance`.

    Returns:
        Shape (N, h, w), non-negative; higher is more uncertain.

    Examples:
        >>> bank, centres = torch.tensor([[0.], [1.], [5.], [6.]]), torch.tensor([[0.5], [5.5]])
        >>> feature = torch.tensor(2.9).view(1, 1, 1, 1)
        >>> grouped_neighbour_distance(feature, bank, [0, 2, 4], centres, neighbour=2, probes=1, normalize=False)  # to 0
        tensor([[[2.9000]]])
    """
    rows, size = _rows(features, normalize)
    filled, candidates = bank[:ends[-1]], neighbour + SPARE
    step = max(1, CHUNK_ENTRIES // (candidates * max(bank.shape[1], probes)))
    parts = []
    for part in rows.split(step):
        nearest = _in_groups(part, filled, ends, centres, candidates, probes, normalize)
        parts.append(_among(part, filled, nearest.clamp_min(0), nearest >= 0, neighbour, average))
    distances = torch.cat(parts)
    few = distances.isinf()
    if few.any():
        valid = torch.ones(len(filled), dtype=torch.bool, device=bank.device)
        distances[few] = _in_whole_bank(rows[few], filled, valid, neighbour, normalize, average)
    return distances.view(size)


def _rows(features: Tensor, normalize: bool) -> tuple[Tensor, torch.Size]:
    """Features (N, C, h, w) as rows (N h w, C), and (N, h, w)."""
    unit = (torch.nn.functional.normalize(features, dim=1) if normalize else features).movedim(1, -1)
    return unit.reshape(-1, unit.shape[-1]), unit.shape[:-1]


def _offsets(bank: Tensor, normalize: bool) -> Tensor:
    """What is added to products with entries (M, C) so that they are largest where distances are smallest, shape (M,)."""
    return bank.new_zeros(bank.shape[0]) if normalize else bank.square().sum(dim=1) / -2


def _in_whole_bank(rows: Tensor, bank: Tensor, valid: Tensor, neighbour: int, normalize: bool, average: bool) -> Tensor:
    """Distances of rows (R, C), shape (R,)."""
    candidates = min(neighbour + SPARE, len(bank))
    step = max(1, CHUNK_ENTRIES // max(len(bank), candidates * bank.shape[1]))
    # The number of parts depends on the image, so that a graph of any size needs a loop.
    in_parts = torch.jit.script(_distances_in_parts) if torch.jit.is_tracing() else _distances_in_parts
    offsets = _offsets(bank, normalize).masked_fill(~valid, float('-inf'))
    return in_parts(rows, bank, offsets, neighbour, candidates, average, step)


def _distances_in_parts(rows: Tensor, bank: Tensor, offsets: Tensor, neighbour: int, candidates: int, average: bool,
                        step: int) -> Tensor:
    """Distances of rows (R, C), shape (R,), ``step`` rows at once."""
    distances = torch.zeros([0], dtype=rows.dtype, device=rows.device)
    for start in range(0, rows.shape[0], step):
        part = rows[start:start + step]
        products, nearest = torch.addmm(offsets, part, bank.T).topk(candidates, dim=1)
        distances = torch.cat([distances, _among(part, bank, nearest, products != float('-inf'), neighbour, average)])
    return distances


def _in_groups(rows: Tensor, bank: Tensor, ends: Sequence[int], centres: Tensor, candidates: int, probes: int,
               normalize: bool) -> Tensor:
    """Places in the bank of candidates for rows (R, C), -1 where there are too few; shape (R, candidates)."""
    groups = torch.addmm(_offsets(centres, False), rows, centres.T).topk(probes, dim=1)[1].flatten()
    products = rows.new_full((len(groups), candidates), float('-inf'))
    places = torch.full_like(products, -1, dtype=torch.int64)
    order, start = groups.argsort(), 0
    for group, stop in enumerate(torch.bincount(groups, minlength=len(centres)).cumsum(dim=0).tolist()):
        asked, entries = order[start:stop], bank[ends[group]:ends[group + 1]]
        start = stop
        if len(asked) and len(entries):
            near = torch.addmm(_offsets(entries, normalize), rows.index_select(0, asked // probes), entries.T)
            found = near.topk(min(candidates, len(entries)), dim=1)
            products[asked, :found.values.shape[1]] = found.values
            places[asked, :found.values.shape[1]] = found.indices + ends[group]
    best = products.view(len(rows), -1).topk(candidates, dim=1)[1]
    return places.view(len(rows), -1).gather(1, best)


def _among(rows: Tensor, bank: Tensor, nearest: Tensor, valid: Tensor, neighbour: int, average: bool) -> Tensor:
    """Distances of rows (R, C) among candidates, places in the bank and whether there are any, both (R, candidates)."""
    # Selecting rows by one index is five times faster than indexing, and their copy can hold the differences.
    apart = bank.index_select(0, nearest.flatten()).view(nearest.shape[0], nearest.shape[1], -1).sub_(rows[:, None])
    distance = torch.linalg.vector_norm(apart, dim=-1).masked_fill(~valid, float('inf'))
    smallest = distance.topk(neighbour, dim=1, largest=False)[0]
    return smallest.mean(dim=1) if average else smallest[:, -1]

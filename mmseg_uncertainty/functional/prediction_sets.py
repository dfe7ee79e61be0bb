"""Nested families of per-pixel prediction sets, written as conformities compared with one threshold."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .device_counts import count_cells

FAMILIES = ('lac', 'aps', 'raps')
PIXELS_PER_CHUNK = 2**14


@dataclass(frozen=True)
class SetFamily:
    r"""A family of sets :math:`C_\lambda = \{k : u_k \ge 1 - \lambda\}`, nested in :math:`\lambda \in [0, 1]`.

    Everything is written in the *conformity* :math:`u_k \in [0, 1]` and the *threshold* :math:`1 - \lambda`, because
    probabilities next to 0 keep their digits and their complements do not. The top class has conformity 1, so
    :math:`\lambda = 0` is the arg-max and :math:`\lambda = 1` is every class.

    - ``'lac'``: :math:`u_k = p_k` (Sadinle et al., "Least ambiguous set-valued classifiers", JASA 2019).
    - ``'aps'``: :math:`u_k` is the mass of class k and of all classes ranked below it, which keeps the shortest prefix
      whose mass exceeds :math:`\lambda` (Romano et al., "Classification with valid and adaptive coverage", 2020).
    - ``'raps'``: APS with ``penalty`` for every rank beyond ``free_ranks``, rescaled to [0, 1] (Angelopoulos et al.,
      "Uncertainty sets for image classifiers using conformal prediction", ICLR 2021).

    Args:
        kind: One of :data:`FAMILIES`.
        force_top: Whether the arg-max is in every set; APS and RAPS contain it by construction.
        penalty: RAPS only, mass added per rank, at least 0.
        free_ranks: RAPS only, number of ranks without penalty, at least 1.

    Raises:
        ValueError: An argument is out of range.

    Examples:
        >>> probabilities = torch.tensor([[0.6, 0.3, 0.1]])
        >>> SetFamily('lac').sets(probabilities, threshold=0.2)  # every class of at least 0.2
        tensor([[ True,  True, False]])
        >>> SetFamily('aps').conformity(probabilities)  # of a class and all below it
        tensor([[1.0000, 0.4000, 0.1000]])
    """

    kind: str = 'lac'
    force_top: bool = True
    penalty: float = 0.01
    free_ranks: int = 1

    def __post_init__(self) -> None:
        if self.kind not in FAMILIES:
            raise ValueError(f'SetFamily: kind={self.kind!r} is unknown; choose from {FAMILIES}.')
        if self.penalty < 0 or self.free_ranks < 1:
            raise ValueError(f'SetFamily: penalty={self.penalty} must be at least 0 and free_ranks={self.free_ranks} '
                             'at least 1.')

    def conformity(self, probabilities: Tensor, predicted: Tensor | None = None) -> Tensor:
        """Conformity of every class.

        Args:
            probabilities: Shape (N, K, \\*), in [0, 1].
            predicted: Class that ``force_top`` of LAC puts into the set, shape (N, \\*); ``None`` is the arg-max.

        Returns:
            Shape (N, K, \\*), in [0, 1], higher conforms more.
        """
        if self.kind != 'lac':
            return _by_pixels(self._ranked_conformity, probabilities)
        if not self.force_top:
            return probabilities
        return probabilities.scatter(1, _top(probabilities, predicted).unsqueeze(1), 1.0)

    def label_conformity(self, probabilities: Tensor, labels: Tensor, predicted: Tensor | None = None) -> Tensor:
        """Conformity of one given class per pixel: the pixel is covered where it reaches the threshold.

        Args:
            probabilities: Shape (N, K, \\*), in [0, 1].
            labels: Shape (N, \\*), in 0..K-1.
            predicted: See :meth:`conformity`.

        Returns:
            Shape (N, \\*), in [0, 1].
        """
        index = labels.unsqueeze(1)
        if self.kind != 'lac':
            return _by_pixels(self._ranked_conformity, probabilities, index).squeeze(1)
        conformity = probabilities.gather(1, index).squeeze(1)
        if not self.force_top:
            return conformity
        return conformity.masked_fill(labels == _top(probabilities, predicted), 1.0)

    def sets(self, probabilities: Tensor, threshold: float | Tensor, predicted: Tensor | None = None) -> Tensor:
        r"""Prediction sets at one threshold :math:`1 - \lambda`.

        Args:
            probabilities: Shape (N, K, \*), in [0, 1].
            threshold: One number in [0, 1], or one per class, shape (K,).
            predicted: See :meth:`conformity`.

        Returns:
            Whether class k is in the set of a pixel, shape (N, K, \*), bool.
        """
        per_class = torch.as_tensor(threshold, dtype=probabilities.dtype, device=probabilities.device).reshape(-1)
        shaped = per_class.reshape(1, -1, *[1] * (probabilities.ndim - 2))
        if self.kind != 'lac':
            compare = _RankedComparison(self, per_class.reshape(1, -1, 1))
            return _by_pixels(compare, probabilities, dtype=torch.bool)
        membership = probabilities >= shaped
        if self.force_top:
            membership.scatter_(1, _top(probabilities, predicted).unsqueeze(1), True)
        return membership

    def _ranked_conformity(self, probabilities: Tensor, index: Tensor | None = None) -> Tensor:
        """Conformity of APS and RAPS for pixels in the last dimension, shape (N, K, P) or that of ``index``."""
        ordered, order = probabilities.sort(dim=1, descending=True, stable=True)
        mass = ordered.flip(1).cumsum(dim=1).flip(1)
        if self.kind == 'raps':
            mass = self._regularize(mass)
        mass[:, 0] = 1
        conformity = torch.empty_like(mass).scatter_(1, order, mass.clamp_(max=1))
        return conformity if index is None else conformity.gather(1, index)

    def _regularize(self, mass: Tensor) -> Tensor:
        num_classes = mass.shape[1]
        penalized = (torch.arange(1, num_classes + 1, device=mass.device) - self.free_ranks).clamp_(min=0)
        remaining = max(num_classes - self.free_ranks, 0) - penalized
        scale = 1 + self.penalty * max(num_classes - self.free_ranks, 0)
        return (mass + self.penalty * remaining.to(mass.dtype).reshape(1, -1, 1)) / scale


def _top(probabilities: Tensor, predicted: Tensor | None) -> Tensor:
    return probabilities.argmax(dim=1) if predicted is None else predicted.long()


@dataclass(frozen=True)
class _RankedComparison:
    """Sets of a ranked family without keeping a conformity map."""

    family: SetFamily
    threshold: Tensor

    def __call__(self, probabilities: Tensor) -> Tensor:
        return self.family._ranked_conformity(probabilities) >= self.threshold


def set_sizes(membership: Tensor) -> Tensor:
    """Number of classes in every set.

    Args:
        membership: Shape (N, K, \\*), bool.

    Returns:
        Shape (N, \\*), int64, in 0..K.

    Examples:
        >>> set_sizes(torch.tensor([[True, True, False], [True, False, False]]))
        tensor([2, 1])
    """
    return membership.sum(dim=1)


def class_counts(labels: Tensor, num_classes: int) -> Tensor:
    """Number of pixels of each class in each image; labels outside 0..K-1 are void and left out.

    Args:
        labels: Shape (N, \\*), integer.
        num_classes: K.

    Returns:
        Shape (N, K), int64.

    Examples:
        >>> class_counts(torch.tensor([[0, 2, 2, 255]]), num_classes=3)
        tensor([[1, 0, 2]])
    """
    flat = labels.flatten(1).long()
    flat = torch.where((flat >= 0) & (flat < num_classes), flat, num_classes)
    offset = torch.arange(len(flat), device=flat.device).unsqueeze(1) * (num_classes + 1)
    counts = count_cells(flat + offset, len(flat) * (num_classes + 1))
    return counts.reshape(len(flat), num_classes + 1)[:, :num_classes]


def _by_pixels(function: Callable[..., Tensor], *maps: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Apply a function of (N, C, P) pixel by pixel in chunks, so that sorting never holds whole index maps."""
    flat = [values.unsqueeze(-1).flatten(2) for values in maps]
    result = torch.empty(flat[-1].shape, dtype=dtype or maps[0].dtype, device=maps[0].device)
    for start in range(0, result.shape[2], PIXELS_PER_CHUNK):
        part = slice(start, start + PIXELS_PER_CHUNK)
        result[..., part] = function(*(values[..., part] for values in flat))
    return result.reshape(maps[-1].shape)

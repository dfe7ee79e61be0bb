"""Streaming histogram of a score over its float32 bit pattern, and its exact counterpart on disk."""
from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import device_counts

BLOCK = 1 << 16
SIGN_BIT = np.int32(-2**31)
MIN_BITS, MAX_BITS = 10, 24


class NonFiniteScoreError(ValueError):
    """A score is NaN or infinite."""


@dataclass(frozen=True)
class RankedCounts:
    """Pixels per score bin, from the most to the least uncertain bin; what every ranking metric is computed from.

    Args:
        positives: Pixels that should score high, shape (\\*, B), int64.
        negatives: Pixels that should score low, shape (\\*, B), int64.
        thresholds: Lowest float32 score of each bin, shape (B,), strictly decreasing. ``score >= thresholds[b]``
            selects exactly the bins ``0..b``.
        exact: Whether every bin holds one score value, so that binning leaves no error.
    """

    positives: np.ndarray
    negatives: np.ndarray
    thresholds: np.ndarray
    exact: bool = False


def check_bits(bits: int) -> int:
    """Return ``bits`` if a histogram can have that many key bits."""
    if not MIN_BITS <= bits <= MAX_BITS:
        raise ValueError(f'bits={bits} is out of range; choose {MIN_BITS} to {MAX_BITS} (20 leaves < 2e-4 of AP).')
    return bits


def score_keys(scores: np.ndarray, bits: int = 20) -> np.ndarray:
    """Cut the order-preserving integer image of float32 scores to its top bits.

    Positive floats order like their bit patterns, negative ones in reverse: setting the sign bit of the former and
    inverting the latter makes unsigned integers that order like the scores.

    Args:
        scores: Any shape, float32; -0 and +0 get the same key.
        bits: Number of key bits, 10 to 24.

    Returns:
        Same shape, uint32 in [0, 2**bits).
    """
    patterns = (scores + np.float32(0)).view(np.int32)
    mask = patterns >> 31
    mask |= SIGN_BIT
    patterns ^= mask
    keys = patterns.view(np.uint32)
    keys >>= np.uint32(32 - bits)
    return keys


def score_keys_of_tensor(scores: Tensor, bits: int = 20) -> Tensor:
    """The keys of :func:`score_keys`, wherever the scores lie.

    Args:
        scores: Any shape.
        bits: Number of key bits, 10 to 24.

    Returns:
        Same shape, int64 in [0, 2**bits).
    """
    patterns = (scores.float() + 0.0).view(torch.int32).long()
    return torch.where(patterns < 0, ~patterns, patterns + (1 << 31)) >> (32 - bits)


def bin_floors(bits: int = 20, bins: np.ndarray | None = None) -> np.ndarray:
    """Lowest float32 score of each bin, the inverse of :func:`score_keys`; NaN for bins beyond the infinities.

    Args:
        bits: Number of key bits.
        bins: Bin numbers, any shape; all bins when omitted.

    Returns:
        Same shape, float32.
    """
    bins = np.arange(1 << bits) if bins is None else np.asarray(bins)
    keys = bins.astype(np.uint32) << np.uint32(32 - bits)
    patterns = np.where(keys >> np.uint32(31), keys ^ np.uint32(1 << 31), ~keys)
    return patterns.astype(np.uint32).view(np.float32)


class ScoreHistogram:
    """Count pixels by score and group: constant memory, any score range, and merging is addition.

    Args:
        groups: Number of pixel groups G, for instance correct and wrong.
        bits: Number of key bits; a bin spans a relative width of 2**(9 - bits).
        device: Where to count; the histogram moves to the device of the scores by itself.

    Attributes:
        counts: Shape (G, 2**bits), int64.
    """

    def __init__(self, groups: int = 2, bits: int = 20, device: torch.device | str = 'cpu') -> None:
        self.groups = groups
        self.bits = check_bits(bits)
        self.counts = torch.zeros(groups, 1 << bits, dtype=torch.int64, device=device)

    @classmethod
    def of(cls, counts: Tensor | np.ndarray) -> ScoreHistogram:
        """The histogram with these counts, shape (G, 2**bits), int64; they are shared, not copied."""
        histogram = cls.__new__(cls)
        histogram.counts = torch.as_tensor(counts)
        histogram.groups, histogram.bits = len(counts), counts.shape[1].bit_length() - 1
        return histogram

    def update(self, scores: Tensor | np.ndarray, groups: Tensor | np.ndarray) -> None:
        """Add pixels. On a device nothing waits for the result: :meth:`check` tells later what is refused at once here.

        Args:
            scores: Finite scores, any shape.
            groups: Group of each pixel, same shape, integer; pixels outside [0, G) are dropped unseen.

        Raises:
            ValueError: If the shapes differ.
            NonFiniteScoreError: If a counted score on the host is NaN or infinite.
        """
        if tuple(scores.shape) != tuple(groups.shape):
            raise ValueError(f'scores have shape {tuple(scores.shape)}, groups {tuple(groups.shape)}; they must agree.')
        if device_counts.on_host(scores):
            self._update_on_cpu(_flat(scores, np.float32), _flat(groups))
            self.check()
        else:
            self._update_on_device(scores.detach(), groups)

    def _update_on_cpu(self, scores: np.ndarray, groups: np.ndarray) -> None:
        self.counts = self.counts.cpu()
        counts = self.counts.view(-1).numpy()
        for start in range(0, scores.size, BLOCK):
            block = groups[start:start + BLOCK]
            keep = (block >= 0) & (block < self.groups)
            keys = score_keys(scores[start:start + BLOCK], self.bits).astype(np.int64)
            keys += block.astype(np.int64) << self.bits
            np.add.at(counts, keys if keep.all() else keys[keep], 1)

    def _update_on_device(self, scores: Tensor, groups: Tensor) -> None:
        # Dropped pixels add nothing where they lie; additions to one bin for all of them would wait for each other.
        groups = groups.to(scores.device).reshape(-1)
        counted = (groups >= 0) & (groups < self.groups)
        keys = score_keys_of_tensor(scores.reshape(-1), self.bits)
        keys += groups.long().masked_fill(~counted, 0) << self.bits
        self.counts = self.counts.to(scores.device)
        self.counts.view(-1).scatter_add_(0, keys, counted.long())

    def check(self) -> None:
        """Look whether all scores so far could be ranked.

        Raises:
            NonFiniteScoreError: If a counted score is NaN or infinite.
        """
        lowest, highest = (int(key) for key in score_keys(np.float32([-np.inf, np.inf]), self.bits))
        if self.counts[:, :lowest + 1].any() or self.counts[:, highest:].any():
            raise NonFiniteScoreError('a score is NaN or infinite.')

    def merge(self, other: ScoreHistogram) -> ScoreHistogram:
        """Add the counts of another histogram of the same shape to this one; returns this one."""
        if self.counts.shape != other.counts.shape:
            raise ValueError(f'histograms of shapes {tuple(self.counts.shape)} and {tuple(other.counts.shape)} do not '
                             'merge; use the same groups and bits.')
        self.counts += other.counts.to(self.counts.device)
        return self

    def descending(self) -> tuple[np.ndarray, np.ndarray]:
        """Counts over the bins that hold any pixel, most uncertain first, and the lowest score of each bin.

        Returns:
            Shapes (G, B), int64, and (B,), float32.

        Raises:
            NonFiniteScoreError: If a counted score is NaN or infinite.
        """
        self.check()
        counts = self.counts.cpu().numpy()
        bins = np.flatnonzero(counts.any(axis=0))[::-1]
        return counts[:, bins], bin_floors(self.bits, bins)

    def ranked(self, positive: int = 1, negative: int = 0) -> RankedCounts:
        """Counts of two groups over the bins that hold any pixel, most uncertain first."""
        counts, thresholds = self.descending()
        return RankedCounts(counts[positive], counts[negative], thresholds)


class SpilledScores:
    """Every score on disk, 4 bytes per pixel, for exact ranking metrics; the check of :class:`ScoreHistogram`.

    Updating takes constant memory; :meth:`ranked` sorts in place in the files and takes up to 24 bytes per distinct
    score.

    Args:
        groups: Number of pixel groups G.
        folder: Where the files go; a temporary folder of their own, removed with the object, when omitted.
    """

    def __init__(self, groups: int = 2, folder: str | Path | None = None) -> None:
        self.groups = groups
        self._owned = tempfile.TemporaryDirectory(prefix='scores_', dir=folder)
        self._paths = [Path(self._owned.name) / f'group_{group}.f32' for group in range(groups)]
        for path in self._paths:
            path.touch()

    def update(self, scores: Tensor | np.ndarray, groups: Tensor | np.ndarray) -> None:
        """Add pixels; see :meth:`ScoreHistogram.update`."""
        if tuple(scores.shape) != tuple(groups.shape):
            raise ValueError(f'scores have shape {tuple(scores.shape)}, groups {tuple(groups.shape)}; they must agree.')
        scores, groups = _flat(scores, np.float32), _flat(groups)
        for group, path in enumerate(self._paths):
            members = scores[groups == group]
            if not np.isfinite(members).all():
                raise NonFiniteScoreError('a score is NaN or infinite.')
            with path.open('ab') as file:
                members.tofile(file)

    def ranked(self, positive: int = 1, negative: int = 0) -> RankedCounts:
        """Counts of two groups per distinct score, most uncertain first."""
        return _merge_runs(self._sorted(positive), self._sorted(negative))

    def _sorted(self, group: int) -> np.ndarray:
        if not self._paths[group].stat().st_size:
            return np.empty(0, np.float32)
        scores = np.memmap(self._paths[group], np.float32, mode='r+')
        scores.sort()
        return scores


def _flat(values: Tensor | np.ndarray, dtype: type | None = None) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    return np.ascontiguousarray(values, dtype).reshape(-1)


def rank_exactly(positives: np.ndarray, negatives: np.ndarray) -> RankedCounts:
    """Counts per distinct score, most uncertain first, of scores that fit into memory.

    Args:
        positives: Scores that should be high, shape (n,).
        negatives: Scores that should be low, shape (m,).
    """
    return _merge_runs(np.sort(positives), np.sort(negatives))


def _merge_runs(*ordered: np.ndarray) -> RankedCounts:
    values, lengths = zip(*map(_run_lengths, ordered))
    scores = np.union1d(*values)
    counts = np.zeros((2, scores.size), np.int64)
    for row, value, length in zip(counts, values, lengths):
        row[np.searchsorted(scores, value)] = length
    return RankedCounts(counts[0, ::-1], counts[1, ::-1], scores[::-1], exact=True)


def _run_lengths(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if ordered.size else np.empty(0, np.int64)
    return np.asarray(ordered[starts]), np.diff(np.r_[starts, ordered.size])

"""Streaming histogram of a score over its float32 bit pattern, and its exact counterpart on disk."""
from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import device_counts
from .score_cells import (FEWEST_BITS, FIRST_FINITE, KEY_BITS, LAST_FINITE, PAGE_BITS, ScoreCells, add_counts, add_pages,
                          divide, moved)

SIGN_BIT = np.int32(-2**31)
MOST_BITS = 24


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
    """Return ``bits`` if a histogram can have 2**bits cells.

    Examples:
        >>> check_bits(20)
        20
    """
    if not FEWEST_BITS <= bits <= MOST_BITS:
        raise ValueError(f'bits={bits} is out of range; choose {FEWEST_BITS} to {MOST_BITS} (20 leaves < 2e-4 of AP).')
    return bits


def score_keys(scores: np.ndarray, bits: int = 20) -> np.ndarray:
    """Cut the order-preserving integer image of float32 scores to its top bits.

    Positive floats order like their bit patterns, negative ones in reverse: setting the sign bit of the former and
    inverting the latter makes unsigned integers that order like the scores.

    Args:
        scores: Any shape, float32; -0 and +0 get the same key.
        bits: Number of key bits, 10 to 32.

    Returns:
        Same shape, uint32 in [0, 2**bits).

    Examples:
        >>> keys = score_keys(np.array([-2.0, -1.0, 0.0, 0.5], np.float32), bits=32)
        >>> bool((np.diff(keys.astype(np.int64)) > 0).all())
        True
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
        bits: Number of key bits, 10 to 32.

    Returns:
        Same shape, int64 in [0, 2**bits).

    Examples:
        >>> scores = np.array([-2.0, 0.0, 0.5], np.float32)
        >>> score_keys_of_tensor(torch.from_numpy(scores)).tolist() == score_keys(scores).tolist()
        True
    """
    patterns = (scores.float() + 0.0).view(torch.int32).long()
    return torch.where(patterns < 0, ~patterns, patterns + (1 << 31)) >> (32 - bits)


def scores_of_keys(keys: np.ndarray) -> np.ndarray:
    """The float32 scores whose keys of 32 bits these are, the inverse of :func:`score_keys`; same shape.

    Examples:
        >>> scores_of_keys(score_keys(np.array([-2.0, 0.0, 0.5], np.float32), bits=32)).tolist()
        [-2.0, 0.0, 0.5]
    """
    keys = np.asarray(keys).astype(np.uint32)
    patterns = np.where(keys >> np.uint32(31), keys ^ np.uint32(1 << 31), ~keys)
    return patterns.astype(np.uint32).view(np.float32)


class ScoreHistogram:
    """Count pixels by score and group: constant memory, any score range, and merging is addition.

    Cells are as fine as their number allows for the scores that occur, see :mod:`.score_cells`: one score each where scores
    lie close together, wherever that is, and never coarser than the leading ``bits`` of a score.

    Args:
        groups: Number of pixel groups G, for instance correct and wrong.
        bits: Binary logarithm of the number of cells C of each group.
        page_bits: Leading bits of the scores of a page, of which it is noted whether it occurs, 10 to 16. More of them
            find a narrower range of scores, and take more time for every image that holds a new one.
        device: Where to count; the histogram moves to the device of the scores by itself.

    Attributes:
        counts: Shape (G, C), int64.
        pages: Which pages of scores occur, shape (2**page_bits,), bool.

    Examples:
        >>> from mmseg_uncertainty.functional.ranking import auroc
        >>> histogram = ScoreHistogram()
        >>> histogram.update(np.array([0.9, 0.8, 0.3, 0.1]), np.array([1, 0, 1, 0]))  # wrong pixels are group 1
        >>> ranked = histogram.ranked()
        >>> float(auroc(ranked.positives, ranked.negatives))  # three of four pairs in order
        0.75
    """

    def __init__(self, groups: int = 2, bits: int = 20, device: torch.device | str = 'cpu',
                 page_bits: int = PAGE_BITS) -> None:
        self.groups = groups
        self.bits = check_bits(bits)
        self.counts = torch.zeros(groups, 1 << bits, dtype=torch.int64, device=device)
        self.pages = torch.zeros(1 << page_bits, dtype=torch.bool, device=device)
        self._cells: ScoreCells | None = None

    @classmethod
    def of(cls, counts: Tensor | np.ndarray, pages: Tensor | np.ndarray) -> ScoreHistogram:
        """The histogram with these counts, shape (G, C), int64, and pages; they are not copied."""
        histogram = cls.__new__(cls)
        histogram.counts, histogram.pages, histogram._cells = torch.as_tensor(counts), torch.as_tensor(pages), None
        histogram.groups, histogram.bits = len(counts), counts.shape[1].bit_length() - 1
        return histogram

    @property
    def cells(self) -> ScoreCells:
        """Which scores share a cell."""
        if self._cells is None:
            self._cells = divide(self.pages, self.bits)
        return self._cells

    @property
    def key_bits(self) -> int:
        """Leading bits of the scores that cells tell apart; with 32 every cell holds one score."""
        return int(self.cells.key_bits)

    def update(self, scores: Tensor | np.ndarray, groups: Tensor | np.ndarray) -> None:
        """Add pixels. On a device nothing waits for the result: :meth:`check` tells later what is refused at once here.

        Args:
            scores: Finite scores, any shape.
            groups: Group of each pixel, same shape, integer; pixels outside [0, G) are dropped unseen.

        Raises:
            ValueError: If the shapes differ.
            NonFiniteScoreError: If a counted score on the host is NaN or infinite; nothing is added then.
        """
        if tuple(scores.shape) != tuple(groups.shape):
            raise ValueError(f'scores have shape {tuple(scores.shape)}, groups {tuple(groups.shape)}; they must agree.')
        if device_counts.on_host(scores):
            self._update_on_cpu(_flat(scores, np.float32).view(np.int32), _flat(groups))
        else:
            self._update_on_device(scores.detach().reshape(-1), groups.reshape(-1))

    def _update_on_cpu(self, patterns: np.ndarray, groups: np.ndarray) -> None:
        self.to('cpu')
        pages = self.pages.clone()
        if add_pages(pages.numpy(), patterns, groups, self.groups - 1):
            _check_pages(pages)
            self.cover(pages)
        add_counts(self.counts.numpy(), patterns, groups, self.cells.bases.numpy(), self.key_bits)

    def _update_on_device(self, scores: Tensor, groups: Tensor) -> None:
        # Dropped pixels add nothing where they lie; additions to one cell for all of them would wait for each other.
        self.to(scores.device)
        groups = groups.to(scores.device)
        counted = (groups >= 0) & (groups < self.groups)
        keys = score_keys_of_tensor(scores, KEY_BITS)
        size = len(self.pages)
        pages = torch.zeros(size + 1, dtype=torch.bool, device=scores.device)
        pages.scatter_(0, (keys >> (KEY_BITS - self.cells.page_bits)).where(counted, size), True)
        self.cover(pages[:size])
        cells = self.cells.cells_of(keys) + (groups.long().masked_fill(~counted, 0) << self.bits)
        self.counts.view(-1).scatter_add_(0, cells, counted.long())

    def to(self, device: torch.device | str) -> ScoreHistogram:
        """Move to a device; returns this histogram."""
        if self.counts.device != torch.device(device):
            self.counts, self.pages, self._cells = self.counts.to(device), self.pages.to(device), None
        return self

    def cover(self, pages: Tensor) -> None:
        """Divide the scores as if these pages occurred too; histograms that cover the same pages have the same cells.

        Args:
            pages: As :attr:`pages`.
        """
        old = self.cells
        self.pages = self.pages | pages.to(self.pages.device)
        self._cells = divide(self.pages, self.bits)
        self.counts = moved(self.counts, old, self._cells)

    def check(self) -> None:
        """Look whether all scores so far could be ranked.

        Raises:
            NonFiniteScoreError: If a counted score is NaN or infinite.
        """
        _check_pages(self.pages)

    def merge(self, other: ScoreHistogram) -> ScoreHistogram:
        """Add the counts of another histogram of the same shape to this one; returns this one, the other stays as it is."""
        if self.counts.shape != other.counts.shape:
            raise ValueError(f'histograms of shapes {tuple(self.counts.shape)} and {tuple(other.counts.shape)} do not '
                             'merge; use the same groups and bits.')
        self.cover(other.pages)
        added = ScoreHistogram.of(other.counts.to(self.counts.device, copy=True), other.pages.to(self.counts.device))
        added.cover(self.pages)
        self.counts += added.counts
        return self

    def descending(self) -> tuple[np.ndarray, np.ndarray]:
        """Counts over the cells that hold any pixel, most uncertain first, and the lowest score of each cell.

        Returns:
            Shapes (G, B), int64, and (B,), float32.

        Raises:
            NonFiniteScoreError: If a counted score is NaN or infinite.
        """
        self.to('cpu').check()
        counts = self.counts.numpy()
        occupied = np.flatnonzero(counts.any(axis=0))[::-1]
        floors = self.cells.floors(torch.from_numpy(occupied.copy())).numpy()
        return counts[:, occupied], scores_of_keys(floors)

    def ranked(self, positive: int = 1, negative: int = 0) -> RankedCounts:
        """Counts of two groups over the cells that hold any pixel, most uncertain first."""
        counts, thresholds = self.descending()
        return RankedCounts(counts[positive], counts[negative], thresholds, exact=self.key_bits == KEY_BITS)


def _check_pages(pages: Tensor) -> None:
    low_bits = KEY_BITS + 1 - len(pages).bit_length()
    if pages[:FIRST_FINITE >> low_bits].any() or pages[(LAST_FINITE >> low_bits) + 1:].any():
        raise NonFiniteScoreError('a score is NaN or infinite.')


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

    Examples:
        >>> ranked = rank_exactly(positives=np.array([0.75, 0.5]), negatives=np.array([0.5, 0.25]))
        >>> ranked.positives.tolist(), ranked.negatives.tolist(), ranked.thresholds.tolist()
        ([1, 1, 0], [0, 1, 1], [0.75, 0.5, 0.25])
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

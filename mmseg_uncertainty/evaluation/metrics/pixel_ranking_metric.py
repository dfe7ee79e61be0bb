"""Base of the evaluators that ask how well every head ranks one group of pixels above another."""
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from math import ceil, log2
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from mmengine.dist import get_world_size
from scipy.sparse import csr_array
from torch import Tensor

from mmseg_uncertainty.functional import ranking
from mmseg_uncertainty.functional.score_histogram import RankedCounts, ScoreHistogram, SpilledScores

from .pending_records import Later
from .sample_fields import VOID, score_maps
from .streaming_metric import StreamingMetric

RECORD_BITS = 14
FULL_HEADS = 8
Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _percent(statistic: Statistic) -> Statistic:
    return lambda positives, negatives: 100 * statistic(positives, negatives)


class PixelRankingMetric(StreamingMetric):
    """Rank positive above negative pixels, for every head at once, from streamed histograms.

    Keys, in percent: ``AUROC``, ``AP``, ``FPR95``, ``F1`` (the best over all thresholds), and ``F1_threshold`` in the
    units of the score (``score >= threshold`` is positive). ``*_bound`` says how far binning may move a number,
    ``*_low`` and ``*_high`` are the 95 % bootstrap interval over images.

    Protocols:
        - ``'pooled'``: pixels of all images together, step-wise average precision, FPR at the first threshold with a
          true-positive rate of at least 95 %.
        - ``'per_image'``: the same per image, then averaged over the images that hold both groups.
        - ``'published'``: as the released code of the source does it; see the subclass.

    Args:
        bits: Key bits of the histogram; one fewer for each doubling beyond eight heads, so that all heads together stay
            below 200 MB.
        exact: Spill every score to disk and sort instead; one process, 4 bytes per pixel and head of disk. Maps come to
            the host image by image.
        options: See :class:`StreamingMetric`.
    """

    protocols: ClassVar[tuple[str, ...]] = ('pooled', 'per_image', 'published')
    key_prefix: ClassVar[str] = ''
    positive_name: ClassVar[str] = 'positives'

    def __init__(self, protocol: str = 'pooled', bits: int = 20, exact: bool = False, **options) -> None:
        self.bits = bits
        self.exact = exact
        super().__init__(protocol=protocol, **options)

    @abstractmethod
    def pixel_groups(self, sample: dict) -> Tensor:
        """Group of every pixel, shape (H, W), uint8: 1 positive, 0 negative, 255 left out."""

    @property
    def by_image(self) -> bool:
        """Whether numbers are computed per image and then averaged."""
        return self.protocol == 'per_image'

    @property
    def statistics(self) -> dict[str, Statistic]:
        """What is computed from the counts of a ranking, by name; in percent."""
        if self.protocol == 'published':
            return dict(AUROC=_percent(ranking.auroc), AP=_percent(ranking.precision_recall_trapezoid),
                        FPR95=_percent(ranking.interpolated_fpr_at_tpr))
        return dict(AUROC=_percent(ranking.auroc), AP=_percent(ranking.average_precision),
                    FPR95=_percent(ranking.fpr_at_tpr), F1=_percent(lambda *counts: ranking.best_f1(*counts)[0]))

    @property
    def bounds(self) -> dict[str, Statistic]:
        """What binning may hide of each of :attr:`statistics`."""
        if self.protocol == 'published':
            return dict(AUROC=_percent(ranking.auroc_bound))
        return dict(AUROC=_percent(ranking.auroc_bound), AP=_percent(ranking.average_precision_bound),
                    FPR95=_percent(ranking.fpr_at_tpr_bound), F1=_percent(ranking.best_f1_bound))

    def reset(self) -> None:
        """Forget all images."""
        super().reset()
        self.pixels: dict[str, ScoreHistogram | SpilledScores] = {}
        self.used_bits = self.bits

    def measure(self, sample: dict) -> dict:
        """Count the pixels of one image; see :class:`StreamingMetric`."""
        groups = self.pixel_groups(sample)
        record = dict(pixels=groups.numel(), void=(groups == VOID).sum(), positives=(groups == 1).sum())
        maps = score_maps(sample, groups)
        self.used_bits = self.bits - max(0, ceil(log2(len(maps) / FULL_HEADS)))
        record['heads'] = {head: self._measure_head(sample, head, scores, groups) for head, scores in maps.items()}
        return record

    def _measure_head(self, sample: dict, head: str, scores: Tensor, groups: Tensor) -> dict | Later:
        if self.exact:
            scores, groups = scores.cpu(), groups.cpu()
        small = self._store(scores.device) if self.by_image else ScoreHistogram(2, RECORD_BITS, scores.device)
        self.count_scores(small, sample, head, scores, groups)
        if self.by_image:
            return self.values(small.ranked()) if self.exact else Later(small.counts, self._values_of_counts)
        if head not in self.pixels:
            self.pixels[head] = self._store(scores.device)
        self.pixels[head].update(scores, groups)
        return Later(small.counts, _occupied)

    def _store(self, device: torch.device | str = 'cpu') -> ScoreHistogram | SpilledScores:
        return SpilledScores() if self.exact else ScoreHistogram(2, self.used_bits, device)

    def _values_of_counts(self, counts: np.ndarray) -> dict[str, float]:
        return self.values(ScoreHistogram.of(counts).ranked())

    def merge_processes(self) -> None:
        """Sum the histograms over all processes.

        Raises:
            RuntimeError: In exact mode, whose files are local to a process.
        """
        if self.exact and not self.by_image:
            raise RuntimeError(f'{self.eval_name}: exact=True sorts the scores of one process, but {get_world_size()} '
                               'are running. Run it with one, or use the streaming mode and its bound.')
        self.state = {head: histogram.counts.cpu() for head, histogram in self.pixels.items()}
        super().merge_processes()
        for head, counts in self.state.items():
            self.used_bits = counts.shape[1].bit_length() - 1
            self.pixels[head] = ScoreHistogram.of(counts)

    def values(self, ranked: RankedCounts) -> dict[str, float]:
        """Every statistic of one ranking, and the threshold of the best F1."""
        counts = ranked.positives, ranked.negatives
        values = {name: float(statistic(*counts)) for name, statistic in self.statistics.items()}
        best = int(ranking.best_f1(*counts)[1])
        defined = best < ranked.thresholds.size and ranked.positives.any()
        values['F1_threshold'] = float(ranked.thresholds[best]) if defined else float('nan')
        return values

    def summarize(self, records: list[dict]) -> dict[str, float]:
        """Compute every number for every head; see :class:`StreamingMetric`."""
        positives = sum(record['positives'] for record in records)
        negatives = self.provenance['pixels'] - sum(record['void'] for record in records) - positives
        self.provenance |= dict(positives=positives, negatives=negatives, bits=self.used_bits, exact=self.exact)
        for name, count in ((self.positive_name, positives), ('other pixels', negatives)):
            if not count:
                self.warn(f'there are no {name}; ranking metrics are undefined (NaN).')
        summary = self._averaged if self.by_image else self._pooled
        metrics = {}
        for head in records[0]['heads']:
            metrics |= summary(head, [record['heads'][head] for record in records])
        if self.plot_dir is not None and not self.by_image:
            self.plot(Path(self.plot_dir))
        return metrics

    def plot(self, folder: Path) -> None:
        """Draw the curves of all heads into ``folder``."""
        from mmseg_uncertainty.visualization.metric_plots import plot_ranking_curves
        plot_ranking_curves({head: store.ranked() for head, store in self.pixels.items()},
                            folder / f'{self.eval_name}.png', f'{self.eval_name} on {self.dataset_name}')

    def name(self, name: str) -> str:
        """Name of a number in the keys."""
        return self.key_prefix + name

    def _pooled(self, head: str, parts: list[dict]) -> dict[str, float]:
        ranked = self.pixels[head].ranked()
        values = self.values(ranked)
        metrics = {self.key(self.name(name), head): value for name, value in values.items()}
        if not ranked.exact:
            metrics |= {self.key(self.name(f'{name}_bound'), head): bound(ranked.positives, ranked.negatives)
                        for name, bound in self.bounds.items()}
        return metrics | self._intervals(head, values, *_image_counts(parts))

    def _intervals(self, head: str, values: dict, positives: csr_array, negatives: csr_array) -> dict[str, float]:
        """Bootstrap intervals from coarse records, moved by what the coarse bins do to the value itself."""
        resampled: dict[str, list] = {name: [] for name in self.statistics}
        for weights in self.weights(positives.shape[0]):
            counts = weights @ positives, weights @ negatives
            for name, statistic in self.statistics.items():
                resampled[name].append(statistic(*counts))
        coarse = positives.sum(axis=0), negatives.sum(axis=0)
        metrics = {}
        for name, statistic in self.statistics.items():
            if resampled[name]:
                shift = values[name] - float(statistic(*coarse))
                metrics |= self.interval(self.name(name), np.concatenate(resampled[name]), shift, head)
        return metrics

    def _averaged(self, head: str, parts: list[dict]) -> dict[str, float]:
        metrics = {}
        for name in parts[0]:
            values = np.array([part[name] for part in parts])
            defined = values[~np.isnan(values)]
            metrics[self.key(self.name(name), head)] = defined.mean() if defined.size else np.nan
            drawn = self.weights(defined.size) if defined.size else ()
            means = [(weights @ defined) / defined.size for weights in drawn]
            if means and name in self.statistics:
                metrics |= self.interval(self.name(name), np.concatenate(means), head=head)
        return metrics


def _occupied(counts: np.ndarray) -> dict[str, np.ndarray]:
    bins = np.flatnonzero(counts)
    return dict(bins=bins.astype(np.int32), counts=counts.ravel()[bins].astype(np.int32))


def _image_counts(parts: list[dict]) -> tuple[csr_array, csr_array]:
    """Positives and negatives of every image over the bins that occur, most uncertain first."""
    bins = np.concatenate([part['bins'] for part in parts])
    counts = np.concatenate([part['counts'] for part in parts])
    images = np.repeat(np.arange(len(parts)), [part['bins'].size for part in parts])
    scores = bins & ((1 << RECORD_BITS) - 1)
    occupied, columns = np.unique(scores, return_inverse=True)
    columns = occupied.size - 1 - columns
    shape = (len(parts), max(occupied.size, 1))
    members = [(bins >> RECORD_BITS) == group for group in (1, 0)]
    return tuple(csr_array((counts[rows].astype(np.int64), (images[rows], columns[rows])), shape=shape)
                 for rows in members)

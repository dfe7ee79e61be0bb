"""Base of the evaluators that ask how well every head ranks one group of pixels above another."""
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from math import ceil, log2
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from mmengine.dist import get_world_size
from torch import Tensor

from mmseg_uncertainty.functional import device_counts, ranking
from mmseg_uncertainty.functional.bootstrap import percentile_interval
from mmseg_uncertainty.functional.rank_records import compact_blocks, rank_blocks, rank_blocks_of_tensor
from mmseg_uncertainty.functional.ranking_resamples import ResampledRankings, column_edges, columns_of, resampled_rankings
from mmseg_uncertainty.functional.score_histogram import RankedCounts, ScoreHistogram, SpilledScores
from mmseg_uncertainty.label_values import VOID

from .pending_records import Later
from .sample_fields import score_maps
from .streaming_metric import StreamingMetric

FULL_HEADS = 8
Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]


def percent(statistic: Statistic) -> Statistic:
    """A statistic in percent."""
    return lambda positives, negatives: 100 * statistic(positives, negatives)


class PixelRankingMetric(StreamingMetric):
    """Rank positive above negative pixels, for every head at once, from streamed histograms.

    Keys, in percent: ``AUROC``, ``AP``, ``FPR95``, ``F1`` (the best over all thresholds), and ``F1_threshold`` in the
    units of the score (``score >= threshold`` is positive; its F1 is within ``F1_bound`` of the best). ``*_bound`` says how
    far binning may move a number. ``*_low`` and ``*_high`` are the 95 % bootstrap interval over scenes or images, and
    ``*_low_bound`` and ``*_high_bound`` say how far from those of every single score they may lie.

    Protocols:
        - ``'pooled'``: pixels of all images together, step-wise average precision, FPR at the first threshold with a
          true-positive rate of at least 95 %.
        - ``'per_image'``: the same per image, then averaged over the images that hold both groups.
        - ``'published'``: as the released code of the source does it; see the subclass.

    Args:
        bits: Binary logarithm of the cells of the histogram; one fewer for each doubling beyond eight heads, so that all
            heads together stay below 200 MB.
        exact: Spill every score to disk and sort instead; one process, 4 bytes per pixel and head of disk. Maps come to
            the host image by image.
        options: See :class:`StreamingMetric`.
    """

    protocols: ClassVar[tuple[str, ...]] = ('pooled', 'per_image', 'published')
    key_prefix: ClassVar[str] = ''
    positive_name: ClassVar[str] = 'positives'
    advice: ClassVar[str] = ''

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
            return dict(AUROC=percent(ranking.auroc), AP=percent(ranking.precision_recall_trapezoid),
                        FPR95=percent(ranking.interpolated_fpr_at_tpr))
        return dict(AUROC=percent(ranking.auroc), AP=percent(ranking.average_precision),
                    FPR95=percent(ranking.fpr_at_tpr), F1=percent(lambda *counts: ranking.best_f1(*counts)[0]))

    @property
    def bounds(self) -> dict[str, Statistic]:
        """What binning may hide of each of :attr:`statistics`."""
        if self.protocol == 'published':
            return dict(AUROC=percent(ranking.auroc_bound), AP=percent(ranking.precision_recall_trapezoid_bound),
                        FPR95=percent(ranking.interpolated_fpr_at_tpr_bound))
        return dict(AUROC=percent(ranking.auroc_bound), AP=percent(ranking.average_precision_bound),
                    FPR95=percent(ranking.fpr_at_tpr_bound), F1=percent(ranking.best_f1_bound))

    @property
    def shares(self) -> tuple[str, ...]:
        """Those of :attr:`statistics` that count pixels above a threshold, and so move with each of doubtful place."""
        return ()

    def reset(self) -> None:
        """Forget all images."""
        super().reset()
        self.spilled: dict[str, SpilledScores] = {}
        self.used_bits = self.bits

    def measure(self, sample: dict) -> dict:
        """Count the pixels of one image; see :class:`StreamingMetric`."""
        groups = self.pixel_groups(sample)
        record = dict(pixels=groups.numel(), void=(groups == VOID).sum(), positives=(groups == 1).sum())
        maps = score_maps(sample, groups)
        self.used_bits = self.bits - max(0, ceil(log2(len(maps) / FULL_HEADS)))
        record['heads'] = {head: self._measure_head(sample, head, scores, groups) for head, scores in maps.items()}
        return record

    def _measure_head(self, sample: dict, head: str, scores: Tensor, groups: Tensor) -> dict | list | Later:
        if self.exact:
            scores, groups = scores.cpu(), groups.cpu()
        if self.by_image:
            alone = self._store(scores.device)
            self.count_scores(alone, sample, head, scores, groups)
            return self._bounded(alone.ranked()) if self.exact else Later(*_packed(alone, self._values_of_counts))
        store = self._head_store(head, scores.device)
        self.count_scores(store, sample, head, scores, groups)
        return self._record(scores.reshape(-1), groups.reshape(-1)) if self.resamples else []

    def _head_store(self, head: str, device: torch.device) -> ScoreHistogram | SpilledScores:
        stores = self.spilled if self.exact else self.histograms
        if head not in stores:
            stores[head] = self._store(device)
        return stores[head]

    def _store(self, device: torch.device | str = 'cpu') -> ScoreHistogram | SpilledScores:
        return SpilledScores() if self.exact else ScoreHistogram(2, self.used_bits, device)

    @staticmethod
    def _record(scores: Tensor, groups: Tensor) -> list:
        """Blocks of negatives and positives; see :mod:`mmseg_uncertainty.functional.rank_records`."""
        if device_counts.on_host(scores):
            scores, groups = scores.float().numpy(), groups.numpy()
            return [rank_blocks(scores, groups == group) for group in range(2)]
        return [Later(rank_blocks_of_tensor(scores, groups == group), compact_blocks) for group in range(2)]

    def _values_of_counts(self, counts: np.ndarray, pages: np.ndarray) -> dict[str, float]:
        return self._bounded(ScoreHistogram.of(counts, pages).ranked())

    def _bounded(self, ranked: RankedCounts) -> dict[str, float]:
        """Every number of one ranking, and the bounds of those that binning may move."""
        counts = ranked.positives, ranked.negatives
        bounds = {f'{name}_bound': 0. * float(bound(*counts)) if ranked.exact else float(bound(*counts))
                  for name, bound in self.bounds.items()}
        return self.values(ranked) | ({} if self.exact else bounds)

    def ranked(self, head: str) -> RankedCounts:
        """Ranking of all pixels by a head."""
        return (self.spilled if self.exact else self.histograms)[head].ranked()

    def merge_processes(self) -> None:
        """Sum the histograms over all processes.

        Raises:
            ValueError: In exact mode, whose files are local to a process.
        """
        if self.exact and not self.by_image:
            raise ValueError(f'{self.eval_name}: exact=True sorts the scores of one process, but {get_world_size()} '
                             'are running. Run it with one, or use the streaming mode and its bound.')
        super().merge_processes()
        self.used_bits = next((part.bits for part in self.histograms.values()), self.used_bits)

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
        self.provenance |= dict(positives=positives, negatives=negatives, bits=self.used_bits, exact=self.exact,
                                key_bits={head: part.key_bits for head, part in self.histograms.items()})
        for name, count, advice in ((self.positive_name, positives, self.advice), ('other pixels', negatives, '')):
            if not count:
                self.warn(f'there are no {name}; ranking metrics are undefined (NaN).{advice}')
        summary = self._averaged if self.by_image else self._pooled
        metrics = {}
        for head in records[0]['heads']:
            metrics |= summary(head, [record['heads'][head] for record in records], records)
        if self.plot_dir is not None and not self.by_image:
            self.plot(Path(self.plot_dir), metrics)
        return metrics

    def plot(self, folder: Path, metrics: Mapping[str, float]) -> None:
        """Draw the curves of all heads, with intervals among ``metrics``, into ``folder``."""
        from mmseg_uncertainty.visualization.metric_plots import plot_ranking_curves
        plot_ranking_curves({head: self.ranked(head) for head in self.spilled or self.histograms},
                            folder / f'{self.eval_name}.png', f'{self.eval_name} on {self.dataset_name}')

    def name(self, name: str) -> str:
        """Name of a number in the keys."""
        return self.key_prefix + name

    def _pooled(self, head: str, parts: list, records: list[dict]) -> dict[str, float]:
        ranked = self.ranked(head)
        values = self._bounded(ranked)
        metrics = {self.key(self.name(name), head): value for name, value in values.items()}
        return metrics | self._intervals(head, ranked, values, parts, records)

    def _intervals(self, head: str, ranked: RankedCounts, values: dict, parts: list,
                   records: list[dict]) -> dict[str, float]:
        """Intervals of the middle of what records allow, moved by what it misses of the value itself, and their bounds."""
        names = list(self.statistics)
        if not self.resamples:
            return {}
        if not self.spreads(records) or not ranked.thresholds.size:
            return self.undefined(map(self.name, names), head)
        counts = columns_of(parts, column_edges(ranked))
        whole = next(resampled_rankings(counts, np.ones((1, len(parts)), np.int64)))
        # Few scenes have few resamples that differ: ten of three scenes, of a thousand drawn.
        different, drawn = np.unique(self.weights(records), axis=0, return_inverse=True)
        limits = [self._limits(rankings) for rankings in resampled_rankings(counts, different)]
        metrics = {}
        for name in names:
            lowest, middle, highest = (np.concatenate(part)[drawn.ravel()] for part in zip(*(chunk[name] for chunk in limits)))
            shift = values[name] - float(self.statistics[name](*whole.middle)[0])
            metrics |= self.interval(self.name(name), middle + shift, head)
            outer = [percentile_interval(part) for part in (lowest, highest)]
            distances = np.abs(np.subtract(outer, percentile_interval(middle + shift))).max(axis=0)
            metrics |= {self.key(self.name(f'{name}_{side}_bound'), head): distance
                        for side, distance in zip(('low', 'high'), distances)}
        return metrics

    def _limits(self, rankings: ResampledRankings) -> dict[str, tuple[np.ndarray, ...]]:
        """Lowest, middle and highest value of every statistic that records allow, each of shape (R,)."""
        limits, bounds = {}, self.bounds
        total = sum(part.sum(axis=1) for part in rankings.middle)
        for name, statistic in self.statistics.items():
            ends = np.stack([statistic(*rankings.worst), statistic(*rankings.best)])
            within = np.maximum(bounds[name](*rankings.worst), bounds[name](*rankings.best))
            within = within + (100 * rankings.doubt / total if name in self.shares else 0)
            limits[name] = ends.min(axis=0) - within, statistic(*rankings.middle), ends.max(axis=0) + within
        return limits

    def _averaged(self, head: str, parts: list[dict], records: list[dict]) -> dict[str, float]:
        values = np.array([list(part.values()) for part in parts])
        names, defined = list(parts[0]), ~np.isnan(values)
        known = np.where(defined, values, 0)
        metrics = dict(zip(names, ranking.ratio(known.sum(0), defined.sum(0)).tolist()))

        def means(weights: np.ndarray) -> dict[str, np.ndarray]:
            drawn = ranking.ratio(weights @ known, weights @ defined).T
            return {self.name(name): column for name, column in zip(names, drawn) if name in self.statistics}

        metrics = {self.key(self.name(name), head): value for name, value in metrics.items()}
        return metrics | self.intervals(records, means, head)


def _packed(histogram: ScoreHistogram, then: Callable[..., dict]) -> tuple[Tensor, Callable[[np.ndarray], dict]]:
    """Counts and pages as one tensor, and what the host makes of it."""
    shape, size = histogram.counts.shape, histogram.counts.numel()

    def unpacked(array: np.ndarray) -> dict:
        return then(array[:size].reshape(shape), array[size:].astype(bool))
    return torch.cat([histogram.counts.view(-1), histogram.pages.long()]), unpacked

"""Numbers of the study: AP and FPR95 of every score, intervals over scenes, ranks and their critical difference."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata, studentized_range

from mmseg_uncertainty.functional.bootstrap import percentile_interval, resample_clusters
from mmseg_uncertainty.functional.ranking import average_precision, fpr_at_tpr
from mmseg_uncertainty.functional.score_histogram import rank_exactly

from .models import SEEDS
from .scored_images import ScoredImage

CELLS, RESAMPLES = 2000, 200
MEASURES = dict(AP=average_precision, FPR95=fpr_at_tpr)


@dataclass(frozen=True)
class Cell:
    """A score on a part of a test set, in percent.

    Args:
        values: AP and FPR95, mean of the seeds.
        spread: Their standard deviations over the seeds.
        intervals: Their 95 % intervals over scenes, of the first seed; ``None`` on the development half.
    """

    values: tuple[float, float]
    spread: tuple[float, float]
    intervals: tuple[tuple[float, float], ...] | None


def cells_of(images: Sequence[ScoredImage], develops: bool) -> dict[str, Cell]:
    """Cells of all scores on one half of a test set; flows by their name without the seed."""
    chosen = [image for image in images if image.develops == develops]
    positive = np.concatenate([image.positive for image in chosen])
    found: dict[str, list[tuple[float, ...]]] = {}
    intervals = {}
    for head in chosen[0].scores:
        scores = np.concatenate([image.scores[head] for image in chosen])
        counts = rank_exactly(scores[positive], scores[~positive])
        name = without_seed(head)
        found.setdefault(name, []).append(tuple(100 * float(measure(counts.positives, counts.negatives))
                                                for measure in MEASURES.values()))
        if not develops and name not in intervals:
            intervals[name] = _intervals(chosen, head, scores)
    return {name: Cell(tuple(np.mean(values, axis=0)), tuple(np.std(values, axis=0)), intervals.get(name))
            for name, values in found.items()}


def without_seed(head: str) -> str:
    """Name of a flow without its seed."""
    name, _, seed = head.rpartition('_')
    return name if seed.isdigit() and int(seed) < SEEDS else head


def _intervals(images: Sequence[ScoredImage], head: str, scores: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Resampled scenes, scores in 2,000 cells of equal counts, higher ones first."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, CELLS + 1)[1:-1]))
    counts = np.stack([[np.bincount(len(edges) - np.searchsorted(edges, image.scores[head][inside], side='left'),
                                    minlength=len(edges) + 1) for inside in (image.positive, ~image.positive)] for image in images])
    weights = resample_clusters([image.scene for image in images], RESAMPLES, seed=0)
    positives, negatives = np.einsum('rm,mkc->krc', weights, counts)
    some = positives.sum(axis=1) > 0
    return tuple(tuple(100 * bound for bound in percentile_interval(
        np.array([measure(one, other) for one, other in zip(positives[some], negatives[some])]))) for measure in MEASURES.values())


def mean_ranks(columns: Iterable[dict[str, Cell]], names: Sequence[str]) -> dict[str, float]:
    """Mean rank of each score over columns, each the mean of those in AP and FPR95; 1 is best, ties share a rank."""
    ranks = []
    for cells in columns:
        for measure, sign in enumerate((-1, 1)):
            ranks.append(rankdata([sign * cells[name].values[measure] for name in names]))
    return dict(zip(names, np.mean(ranks, axis=0)))


def critical_difference(methods: int, columns: int, level: float = 0.05) -> float:
    """Smallest difference of mean ranks that Nemenyi's test calls real.

    Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 2006.

    Args:
        methods: How many are compared.
        columns: Number of data sets, each ranked once.
        level: Chance of any false claim.
    """
    quantile = studentized_range.ppf(1 - level, methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(methods * (methods + 1) / (6 * columns)))

"""Curves behind the numbers, one line per head, drawn without a display."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmseg_uncertainty.functional.calibration_error import ReliabilitySums
from mmseg_uncertainty.functional.ranking import auroc, average_precision, ratio
from mmseg_uncertainty.functional.risk_coverage import aurc
from mmseg_uncertainty.functional.score_histogram import RankedCounts

MOST_POINTS = 2000


def plot_ranking_curves(heads: Mapping[str, RankedCounts], path: Path, title: str) -> Path:
    """Draw ROC and precision-recall curves side by side; returns the path of the picture.

    Args:
        heads: Counts of every head.
        path: Where to write; folders are made.
        title: Title of the picture.
    """
    figure, (roc, precision_recall) = _figure(2)
    for head, ranked in heads.items():
        true, false = np.cumsum(ranked.positives), np.cumsum(ranked.negatives)
        if not true.size or not true[-1] or not false[-1]:
            continue
        counts = ranked.positives, ranked.negatives
        points = _thinned(true.size)
        roc.plot(np.r_[0, false[points] / false[-1]], np.r_[0, true[points] / true[-1]],
                 label=f'{head} ({100 * auroc(*counts):.1f})')
        precision_recall.step(true[points] / true[-1], ratio(true, true + false)[points], where='post',
                              label=f'{head} ({100 * average_precision(*counts):.1f})')
    _label(roc, 'false-positive rate', 'true-positive rate', 'ROC (AUROC, %)')
    _label(precision_recall, 'recall', 'precision', 'precision-recall (AP, %)')
    return _save(figure, path, title)


def plot_risk_coverage(heads: Mapping[str, RankedCounts], path: Path, title: str,
                       intervals: Mapping[str, Sequence[tuple[float, float, float]]] | None = None) -> Path:
    """Draw error rate against the share of pixels kept; see :func:`plot_ranking_curves`. Positives are errors.

    Args:
        heads: Counts of every head.
        path: Where to write; folders are made.
        title: Title of the picture.
        intervals: Coverage from 0 to 1, and lower and upper end of the error rate there in percent, by head.

    Returns:
        The path.
    """
    figure, (axes, ) = _figure(1)
    for head, ranked in heads.items():
        errors, correct = ranked.positives[::-1], ranked.negatives[::-1]
        kept = np.cumsum(errors + correct)
        if not kept.size:
            continue
        points = _thinned(kept.size)
        line, = axes.plot(kept[points] / kept[-1], 100 * (np.cumsum(errors) / kept)[points],
                          label=f'{head} ({100 * aurc(ranked.positives, ranked.negatives):.2f})')
        for coverage, low, high in (intervals or {}).get(head, ()):
            axes.plot([coverage, coverage], [low, high], color=line.get_color(), linewidth=3, alpha=.5)
    _label(axes, 'coverage', 'error rate of the kept pixels, %', 'risk-coverage (AURC, %)', square=False)
    return _save(figure, path, title)


def plot_reliability(sums: ReliabilitySums, path: Path, title: str,
                     interval: tuple[np.ndarray, np.ndarray] | None = None) -> Path:
    """Draw accuracy against confidence over equal-width bins, and how many pixels each bin holds.

    Args:
        sums: Sums of shape (B,).
        path: Where to write; folders are made.
        title: Title of the picture.
        interval: Lower and upper ends of the accuracy of each bin, each of shape (B,), NaN where unknown.

    Returns:
        The path.
    """
    figure, (diagram, share) = _figure(2)
    bins = sums.count.size
    centres, width = (np.arange(bins) + .5) / bins, 1 / bins
    present = sums.count > 0
    diagram.bar(centres, np.nan_to_num(ratio(sums.correct, sums.count)), width, edgecolor='white', label='accuracy')
    diagram.plot(sums.confidence_sum[present] / sums.count[present], (sums.correct / np.maximum(sums.count, 1))[present],
                 'k.', label='mean confidence of the bin')
    if interval is not None:
        diagram.vlines(centres, *interval, color='#333333', linewidth=2, label='95 % interval of the accuracy')
    diagram.plot([0, 1], [0, 1], 'k:', linewidth=1)
    _label(diagram, 'confidence', 'accuracy', 'reliability')
    share.bar(centres, 100 * np.nan_to_num(ratio(sums.count, sums.count.sum())), width, edgecolor='white',
              label='pixels')
    _label(share, 'confidence', 'share of the pixels, %', 'confidences', square=False)
    return _save(figure, path, title)


def _figure(columns: int) -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(5.2 * columns, 4.6), layout='constrained')
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def _thinned(size: int) -> np.ndarray:
    return np.unique(np.linspace(0, size - 1, min(size, MOST_POINTS)).astype(int))


def _label(axes: Axes, x: str, y: str, title: str, square: bool = True) -> None:
    axes.set(xlabel=x, ylabel=y, title=title, xlim=(0, 1))
    if square:
        axes.set_ylim(0, 1)
    axes.grid(alpha=.3)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize='small')


def _save(figure: Figure, path: Path, title: str) -> Path:
    figure.suptitle(title)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path

"""Pictures of prediction sets on scales that do not change from image to image, drawn without a display."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure

SET_TYPES = ('empty', 'one class', 'several classes', 'all classes')
SET_TYPE_COLOURS = ('#000000', '#2a9d8f', '#e9c46a', '#d1495b')
SET_SIZE_MAP = 'turbo'


def set_types(sizes: np.ndarray, num_classes: int) -> np.ndarray:
    """Position of each set in :data:`SET_TYPES`.

    Args:
        sizes: Set sizes, any shape, in 0..K.
        num_classes: K, at least 2.

    Returns:
        Same shape, int64.
    """
    return np.select([sizes == 0, sizes == 1, sizes >= num_classes], [0, 1, 3], default=2)


def plot_set_sizes(sizes: np.ndarray, num_classes: int, path: Path, title: str = 'classes in the set') -> Path:
    """Draw the size of the set of every pixel on the fixed scale 1..K, with a colour bar.

    Args:
        sizes: Shape (H, W), in 0..K; empty sets are black.
        num_classes: K, so that pictures of one model compare.
        path: Where to write; folders are made.
        title: Title of the picture.

    Returns:
        The path.
    """
    figure, axes = _figure()
    colours = _colours(SET_SIZE_MAP, num_classes)
    shown = axes.imshow(np.ma.masked_less(sizes, 1), cmap=colours, norm=_steps(1, num_classes), interpolation='nearest')
    return _save_map(figure, axes, shown, path, title, ticks=_few(range(1, num_classes + 1)))


def plot_set_types(sizes: np.ndarray, num_classes: int, path: Path, title: str = 'kind of set') -> Path:
    """Draw whether the set of every pixel is empty, one class, several or all; arguments as :func:`plot_set_sizes`."""
    figure, axes = _figure()
    shown = axes.imshow(set_types(sizes, num_classes), cmap=ListedColormap(SET_TYPE_COLOURS), norm=_steps(0, 3),
                        interpolation='nearest')
    return _save_map(figure, axes, shown, path, title, ticks=range(4), names=SET_TYPES)


def plot_groups(groups: np.ndarray, path: Path, title: str = 'groups of positions') -> Path:
    """Draw which positions share their thresholds.

    Args:
        groups: Shape (H, W), in 0..G-1.
        path: Where to write; folders are made.
        title: Title of the picture.

    Returns:
        The path.
    """
    figure, axes = _figure()
    last = int(groups.max())
    shown = axes.imshow(groups, cmap=_colours('tab20' if last < 20 else SET_SIZE_MAP, last + 1), norm=_steps(0, last),
                        interpolation='nearest')
    return _save_map(figure, axes, shown, path, title, ticks=_few(range(last + 1)))


def plot_coverage_error(error: np.ndarray, path: Path, title: str = 'coverage error', limit: float = 0.5) -> Path:
    """Draw how far coverage is from its level at every position, on the fixed scale 0..limit.

    Args:
        error: Shape (H, W), at least 0; NaN, where nothing was measured, is grey.
        path: Where to write; folders are made.
        title: Title of the picture.
        limit: End of the scale.

    Returns:
        The path.
    """
    figure, axes = _figure()
    axes.set_facecolor('lightgrey')
    shown = axes.imshow(np.ma.masked_invalid(error), cmap='viridis', vmin=0, vmax=limit, interpolation='nearest')
    return _save_map(figure, axes, shown, path, title)


def plot_risk_curves(thresholds: np.ndarray,
                     risks: Mapping[str, np.ndarray],
                     sizes: np.ndarray,
                     path: Path,
                     title: str,
                     chosen: Mapping[str, float] | None = None) -> Path:
    r"""Draw risks and the mean set size against :math:`\lambda`.

    Args:
        thresholds: :math:`1 - \lambda`, shape (Q,), above 0; the axis is logarithmic in it, as small ones matter.
        risks: Mean losses of each kind, each of shape (Q,).
        sizes: Mean set size, shape (Q,).
        path: Where to write; folders are made.
        title: Title of the picture.
        chosen: Thresholds to mark, by name.

    Returns:
        The path.
    """
    figure = Figure(figsize=(10, 4), layout='constrained')
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for name, risk in risks.items():
        left.plot(thresholds, risk, label=name)
    right.plot(thresholds, sizes, color='black')
    for axes, label in ((left, 'risk'), (right, 'classes per pixel')):
        axes.set(xscale='log', xlabel=r'threshold $1 - \lambda$', ylabel=label)
        axes.invert_xaxis()
        for index, (name, threshold) in enumerate((chosen or {}).items()):
            axes.axvline(threshold, color=f'C{index}', linestyle=':', label=name if axes is right else None)
    left.legend()
    if chosen:
        right.legend()
    figure.suptitle(title)
    return _save(figure, path)


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 5), layout='constrained')
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _colours(name: str, count: int) -> ListedColormap:
    return ListedColormap(colormaps[name](np.linspace(0, 1, count))).with_extremes(bad='black')


def _steps(first: int, last: int) -> BoundaryNorm:
    return BoundaryNorm(np.arange(first - 0.5, last + 1), last - first + 1)


def _few(values: Sequence[int]) -> list[int]:
    """At most 20 of some tick positions."""
    return list(values)[::max(1, -(-len(values) // 20))]


def _save_map(figure: Figure, axes: Axes, shown, path: Path, title: str, ticks: Sequence[int] | None = None,
              names: Sequence[str] | None = None) -> Path:
    bar = figure.colorbar(shown, ax=axes, ticks=None if ticks is None else list(ticks), shrink=0.8)
    if names:
        bar.ax.set_yticklabels(names)
    axes.set(title=title, xticks=[], yticks=[])
    return _save(figure, path)


def _save(figure: Figure, path: Path) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path

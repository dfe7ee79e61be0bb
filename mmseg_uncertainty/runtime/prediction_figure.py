"""One picture of an image, its prediction and every uncertainty map."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mmseg_uncertainty.label_values import VOID

from .overlays import colour, outline_flags
from .prediction import Prediction

PANEL_WIDTH = 4.2
ASPECT_RATIOS = (0.2, 3.0)
LARGEST_PANEL = 1600


def draw_prediction(image: np.ndarray,
                    prediction: Prediction,
                    classes: Sequence[str],
                    palette: Sequence[Sequence[int]],
                    ranges: dict[str, tuple[float, float]] | None = None,
                    columns: int = 4,
                    units: dict[str, str] | None = None) -> Figure:
    """Draw input, prediction with legend, errors where labels exist, set sizes, what is flagged, and each uncertainty map.

    Args:
        image: Shape (H, W, 3), uint8, RGB.
        prediction: Result for the image; large ones are drawn from every n-th pixel.
        classes: Names of the classes.
        palette: Their colours, RGB from 0 to 255.
        ranges: Lower and upper end of the colour scale of each head; by default the 1st and 99th percentile of the map.
        columns: Panels in a row.
        units: Unit of each head, written beside its colour bar.

    Returns:
        A figure to be saved with ``savefig``.
    """
    step = -(-max(prediction.size) // LARGEST_PANEL)
    every = (slice(None, None, step), ) * 2
    image, predicted, labels = image[every], prediction.labels[every], prediction.truth
    panels = 2 + (labels is not None) + (prediction.set_size is not None) + len(prediction.flags) + len(prediction.uncertainty)
    rows = -(-panels // columns)
    height = PANEL_WIDTH * np.clip(image.shape[0] / image.shape[1], *ASPECT_RATIOS) + 0.5
    figure = Figure(figsize=(PANEL_WIDTH * columns, height * rows), layout='constrained')
    axes = iter(figure.subplots(rows, columns, squeeze=False).flat)
    _show(next(axes), image, 'input')
    _show(next(axes), colour(predicted, palette), 'prediction')
    if labels is not None:
        _show(next(axes), *_truth(labels[every], predicted, len(classes)))
    if prediction.set_size is not None:
        axis = next(axes)
        drawn = _show(axis, prediction.set_size[every], 'set size', cmap='turbo', vmin=1, vmax=len(classes))
        figure.colorbar(drawn, ax=axis, shrink=0.8, label='classes')
    for name, flags in sorted(prediction.flags.items()):
        _show(next(axes), outline_flags(image, flags[every]), f'{name}: {100 * flags.mean():.1f} % flagged')
    for name, values in sorted(prediction.uncertainty.items()):
        values = values[every]
        low, high = (ranges or {}).get(name) or np.percentile(values, (1, 99))
        axis = next(axes)
        drawn = _show(axis, values, name, cmap='inferno', vmin=low, vmax=high)
        figure.colorbar(drawn, ax=axis, shrink=0.8, label=(units or {}).get(name))
    for axis in axes:
        axis.axis('off')
    shown = np.intersect1d(np.unique(predicted), np.arange(len(classes)))
    figure.legend(handles=[Patch(color=np.divide(palette[index], 255), label=classes[index]) for index in shown],
                  loc='outside lower center', ncols=min(len(shown), 11), frameon=False)
    return figure


def figure_pixels(figure: Figure) -> np.ndarray:
    """Pixels of a figure, shape (H, W, 3), uint8, RGB."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _truth(labels: np.ndarray, predicted: np.ndarray, classes: int) -> tuple[np.ndarray, str]:
    if labels[labels != VOID].max(initial=0) <= 1 < classes - 1:
        return colour(labels, [[60, 60, 60], [255, 60, 0]]), 'unknown objects'
    wrong = np.where(labels == VOID, VOID, predicted != labels)
    return colour(wrong, [[60, 60, 60], [255, 60, 0]]), 'mistakes'


def _show(axis: Axes, values: np.ndarray, title: str, **options):
    axis.set_title(title)
    axis.axis('off')
    return axis.imshow(values, interpolation='nearest', **options)

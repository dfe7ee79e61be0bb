"""What the app shows for one image, as arrays and small pieces of HTML."""
from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmseg_uncertainty.label_values import VOID
from mmseg_uncertainty.runtime.overlays import HEAT_MAP, SET_SIZE_MAP, overlay_classes
from mmseg_uncertainty.runtime.score_scale import ScoreScale

from .explored_image import ExploredImage
from .promise_curves import GRID, Promise

SHOWN_WIDTH = 720
FLAG = (0, 229, 255)
MARK_RADIUS = 9
FOUND, MISSED, FALSE_ALARM = (40, 200, 80), (255, 40, 60), (255, 200, 0)


def enlargement(explored: ExploredImage) -> int:
    """Whole number by which small images are enlarged."""
    return max(1, round(SHOWN_WIDTH / explored.image.shape[1]))


def enlarged(explored: ExploredImage, picture: np.ndarray) -> np.ndarray:
    """A picture at the size it is shown at."""
    return picture.repeat(enlargement(explored), axis=0).repeat(enlargement(explored), axis=1)


def class_picture(explored: ExploredImage, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """The prediction in class colours over the image."""
    return enlarged(explored, overlay_classes(explored.image, explored.labels, palette))


def size_picture(explored: ExploredImage, sizes: np.ndarray) -> np.ndarray:
    """Set sizes on the fixed scale 1..K over the image; empty sets are black."""
    scaled = (sizes - 1) / max(explored.num_classes - 1, 1)
    colours = colormaps[SET_SIZE_MAP](scaled.clip(0, 1))[..., :3] * (sizes > 0)[..., None]
    grey = explored.image.mean(axis=-1, keepdims=True) / 255
    return enlarged(explored, np.rint(255 * (0.75 * colours + 0.25 * grey)).astype(np.uint8))


def heat_picture(explored: ExploredImage, head: str, threshold: float, limits: tuple[float, float]) -> np.ndarray:
    """Uncertainty from dark to bright; pixels that reach the threshold are cyan."""
    scores = explored.maps[head]
    low, high = limits
    heat = colormaps[HEAT_MAP](((scores - low) / max(high - low, 1e-12)).clip(0, 1), bytes=True)[..., :3]
    blended = 0.3 * explored.image + 0.7 * heat
    flagged = scores >= threshold
    blended[flagged] = 0.35 * blended[flagged] + 0.65 * np.array(FLAG)
    return enlarged(explored, np.rint(blended).astype(np.uint8))


def mark_pixel(explored: ExploredImage, picture: np.ndarray, pixel: tuple[int, int]) -> np.ndarray:
    """A picture at its shown size with a ring around a pixel (row, column), white within black so that it is seen everywhere."""
    middle = tuple(int((place + 0.5) * enlargement(explored)) for place in reversed(pixel))
    marked = np.ascontiguousarray(picture)
    for colour, width in (((0, 0, 0), 5), ((255, 255, 255), 2)):
        cv2.circle(marked, middle, MARK_RADIUS, colour, width, cv2.LINE_AA)
    return marked


def error_picture(explored: ExploredImage, head: str, threshold: float) -> np.ndarray:
    """Mistakes found, mistakes missed and false alarms over a grey image."""
    flagged, mistakes = explored.maps[head] >= threshold, explored.mistakes
    grey = np.repeat(explored.image.mean(axis=-1, keepdims=True) * 0.6, 3, axis=-1)
    known = explored.truth != VOID
    for where, colour in ((mistakes & flagged, FOUND), (mistakes & ~flagged, MISSED),
                          (~mistakes & known & flagged, FALSE_ALARM)):
        grey[where] = 0.25 * grey[where] + 0.75 * np.array(colour)
    return enlarged(explored, np.rint(grey).astype(np.uint8))


def curve_picture(promise: Promise, risks: np.ndarray, sizes: np.ndarray, alpha: float, name: str) -> np.ndarray:
    """Risk and set size of the calibration images against the threshold, with the chosen one."""
    figure = Figure(figsize=(7.2, 2.7), dpi=100, layout='constrained')
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.plot(GRID, risks, color='#0f766e')
    left.axhline(alpha, color='#b45309', linestyle='--', linewidth=1)
    left.set(ylabel=name, ylim=(0, min(1, max(3 * alpha, 0.02))))
    right.plot(GRID, sizes, color='#0f766e')
    right.set(ylabel='classes per pixel')
    for axes in (left, right):
        axes.axvline(max(promise.chosen.threshold, GRID[0]), color='#b45309', linewidth=1.5)
        axes.set(xscale='log', xlabel='threshold 1 − λ')
        axes.invert_xaxis()
        axes.grid(alpha=0.25)
        axes.spines[['top', 'right']].set_visible(False)
    return figure_pixels(figure)


def trade_off_picture(trade_off: np.ndarray, chosen: tuple[float, float], of: str) -> np.ndarray:
    """What is found against what is flagged for nothing, over the calibration images, with the chosen threshold."""
    figure = Figure(figsize=(7.2, 2.7), dpi=100, layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot(*trade_off.T, color='#0f766e')
    axes.plot(*chosen, 'o', color='#b45309', clip_on=False)
    axes.set(xlabel='false alarms', ylabel=f'{of} found', xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.25)
    axes.spines[['top', 'right']].set_visible(False)
    return figure_pixels(figure)


def legend(classes: Sequence[str], palette: Sequence[Sequence[int]], shown: Sequence[int]) -> str:
    """Chips with the colours of some classes."""
    chips = ''.join(f'<span class="chip"><i style="background:rgb{tuple(palette[index])}"></i>{escape(classes[index])}</span>'
                    for index in shown if index < len(classes))
    return f'<div class="legend">{chips}</div>'


def colour_bar(colour_map: str, low: str, high: str, title: str) -> str:
    """A horizontal colour bar with its ends."""
    stops = ','.join('rgb({:.0f},{:.0f},{:.0f})'.format(*(255 * np.array(colormaps[colour_map](part)[:3])))
                     for part in np.linspace(0, 1, 9))
    return (f'<div class="bar"><span>{escape(low)}</span><i style="background:linear-gradient(90deg,{stops})"></i>'
            f'<span>{escape(high)}</span><em>{escape(title)}</em></div>')


def shown_limits(scale: ScoreScale, scores: np.ndarray) -> tuple[float, float]:
    """Ends of the colour scale of a head: those of all pictures of the model, or what the image holds."""
    return scale.shown or slider_limits(scale, scores)


def slider_limits(scale: ScoreScale, scores: np.ndarray) -> tuple[float, float]:
    """Ends of the threshold slider of a head: its possible range, or what calibration and the image hold."""
    if scale.range:
        return scale.range[0], math.ceil(1000 * scale.range[1]) / 1000
    low, high = np.percentile(scores, (0.5, 99.9))
    if scale.shown:
        low, high = min(low, scale.shown[0]), max(high, scale.shown[1])
    return float(f'{low:.3g}'), float(f'{max(high, low + 1e-3):.3g}')


def figure_pixels(figure: Figure) -> np.ndarray:
    """Pixels of a Matplotlib figure, shape (H, W, 3), uint8, RGB."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()

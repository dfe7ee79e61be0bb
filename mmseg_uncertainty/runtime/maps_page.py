"""A page with every map of an image, titled in words, on scales that do not change from image to image."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from mmseg_uncertainty.label_values import VOID

from .findings import percent
from .overlays import SET_SIZE_MAP, colour, colour_table, heat, outline_flags
from .picture_sizes import covered, fitted_size, picked, shrunk
from .picture_text import FAINT_INK, TextBlock, blank_page
from .prediction import Prediction, share
from .score_scale import ScoreScale

LEAST_SIDE, MOST_SIDE = 480, 900
TITLE, BAR, MARGIN = 18, 22, 32
FEW_PANELS = 4
MISTAKE_COLOURS = ((60, 60, 60), (255, 140, 0))
NARROWEST = 240


def draw_maps(image: np.ndarray, prediction: Prediction, classes: Sequence[str], palette: Sequence[Sequence[int]],
              scales: Mapping[str, ScoreScale], limits: Mapping[str, tuple[float, float]], columns: int | None = None) -> np.ndarray:
    """Draw input, prediction, mistakes where labels exist, set sizes, what is flagged, and each uncertainty map.

    Args:
        image: Shape (H, W, 3), uint8, RGB, of any size.
        prediction: Result for the image.
        classes: Names of the classes.
        palette: Their colours, RGB from 0 to 255.
        scales: Scale of each head that is drawn.
        limits: Ends of the colour scale of each head, from :class:`~mmseg_uncertainty.runtime.score_ranges.ScoreRanges`.
        columns: Panels in a row; by default 2, or 3 where there are more than 4.

    Returns:
        Shape (H', W', 3), uint8, RGB. The longer side of a panel has 480 to 900 pixels.
    """
    size = fitted_size(prediction.size, LEAST_SIDE, MOST_SIDE)
    panels = list(_panels(image, prediction, classes, palette, scales, limits, size))
    columns = min(columns or (2 if len(panels) <= FEW_PANELS else 3), len(panels))
    width = max(size[1], NARROWEST)
    margin = width // MARGIN
    titles = [TextBlock(panel.title, width, width // TITLE) for panel in panels]
    rows = [range(start, min(start + columns, len(panels))) for start in range(0, len(panels), columns)]
    title_heights = [max(titles[index].height for index in row) for row in rows]
    bar_heights = [max((_bar_height(width) if panels[index].bar else 0) for index in row) for row in rows]
    tops = np.cumsum([margin, *(title + size[0] + bar + 2 * margin for title, bar in zip(title_heights, bar_heights))])
    page, pen = blank_page(columns * (width + margin) + margin, int(tops[-1]))
    for top, row, title_height in zip(tops, rows, title_heights):
        for place, index in enumerate(row):
            left, panel = margin + place * (width + margin), panels[index]
            titles[index].draw(pen, left, int(top))
            page.paste(Image.fromarray(panel.pixels), (left, int(top) + title_height))
            if panel.bar:
                _draw_bar(page, pen, panel.bar, left, int(top) + title_height + size[0] + margin // 2, width)
    return np.array(page)


@dataclass(frozen=True)
class _Bar:
    low: float
    high: float
    units: str
    colours: np.ndarray
    whole: bool = False


@dataclass(frozen=True)
class _Panel:
    title: str
    pixels: np.ndarray
    bar: _Bar | None = None


def _panels(image: np.ndarray, prediction: Prediction, classes: Sequence[str], palette: Sequence[Sequence[int]],
            scales: Mapping[str, ScoreScale], limits: Mapping[str, tuple[float, float]], size: tuple[int, int]) -> Iterator[_Panel]:
    small = shrunk(image, size)
    labels = picked(prediction.labels, size)
    yield _Panel('Image', small)
    yield _Panel('Prediction', colour(labels, palette))
    if prediction.truth is not None:
        truth = picked(prediction.truth, size)
        # Labels of unknown objects are 0 and 1 whatever the classes of the model.
        objects = truth[truth != VOID].max(initial=0) <= 1 < len(classes) - 1
        wrong = truth if objects else np.where(truth == VOID, VOID, labels != truth)
        title = 'Unknown objects (orange); black = no label' if objects else 'Mistakes (orange); black = no label'
        yield _Panel(title, colour(wrong, MISTAKE_COLOURS))
    for name, flags in sorted(prediction.flags.items()):
        yield _Panel(f'Flagged by {name} (outlined): {percent(share(flags))}', outline_flags(small, covered(flags, size)))
    if prediction.set_size is not None:
        sizes = picked(prediction.set_size, size).astype(np.float32)
        table = colour_table(SET_SIZE_MAP)
        yield _Panel('Classes in the prediction set: more = less sure', heat(sizes, (1, len(classes)), table),
                     _Bar(1, len(classes), 'classes', table, whole=True))
    for name, scale in scales.items():
        values, (low, high) = shrunk(prediction.uncertainty[name], size), limits[name]
        yield _Panel(scale.title(name), heat(values, (low, high)), _Bar(low, high, scale.units, colour_table()))


def _bar_height(width: int) -> int:
    return round(3 * width / BAR)


def _draw_bar(page: Image.Image, pen: ImageDraw.ImageDraw, bar: _Bar, left: int, top: int, width: int) -> None:
    letters = width // BAR
    strip = bar.colours[np.linspace(0, 255, width).astype(int)][None].repeat(letters, axis=0)
    page.paste(Image.fromarray(strip), (left, top))
    ends = [f'{value:.0f}' if bar.whole else f'{value:.3g}' for value in (bar.low, bar.high)]
    line = top + round(1.25 * letters)
    face = TextBlock('', width, letters).face
    pen.text((left, line), ends[0], fill=(20, 20, 20), font=face)
    pen.text((left + width, line), ends[1], fill=(20, 20, 20), font=face, anchor='ra')
    pen.text((left + width // 2, line), bar.units, fill=FAINT_INK, font=face, anchor='ma')

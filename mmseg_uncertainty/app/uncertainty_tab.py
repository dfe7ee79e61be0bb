"""Maps of every score, and what is said of a pixel."""
from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import gradio as gr
import numpy as np

from mmseg_uncertainty.models.score_meanings import SCORE_MEANINGS

from . import page_link, pictures
from .explored_image import ExploredImage
from .tab import LIVE, Linked, Tab, cleared
from .wording import written_flags

TOP_CLASSES = 8


class UncertaintyTab(Tab):
    """Maps of a score; see :class:`~mmseg_uncertainty.app.tab.Tab`."""

    name = 'Uncertainty'

    def content(self, key: gr.State) -> dict:
        with gr.Row():
            head = gr.Dropdown(self.explorer.heads, value=self.explorer.heads[0], label='Head', elem_id='head', scale=1)
            threshold = gr.Slider(0, 1, 0.5, step=0.001, label='Flag pixels from', elem_id='flag', scale=2)
            errors = gr.Checkbox(False, label='Error overlay (needs labels)', elem_id='errors', scale=1)
        meaning = gr.Markdown(self.meaning(self.explorer.heads[0]), elem_id='head-meaning')
        bar = gr.HTML(elem_id='uncertainty-bar')
        picture = gr.Image(label='Click a pixel, or name one below', interactive=False, elem_id='uncertainty-picture',
                           buttons=['fullscreen'])
        facts = gr.Markdown(elem_id='uncertainty-facts')
        with gr.Row(elem_id='pixel-place'):
            row = gr.Number(None, label='Row of the pixel', precision=0, minimum=0, elem_id='pixel-row', min_width=120)
            column = gr.Number(None, label='Column', precision=0, minimum=0, elem_id='pixel-column', min_width=120)
        place, thresholds = gr.State(None), gr.State({})
        pixel = gr.Label(num_top_classes=TOP_CLASSES, label='Classes of the pixel', elem_id='pixel')
        where = gr.Markdown(elem_id='pixel-facts')
        self.linked['head'] = Linked(head, partial(page_link.choice, known=self.explorer.heads))
        self.linked['flag'] = Linked(threshold, self.linked_threshold, into=thresholds)
        inputs, outputs = [key, head, threshold, errors, place], [picture, facts, bar]
        draw = cleared(self.draw, 3)
        gr.on([threshold.change, errors.change], draw, inputs, outputs, **LIVE)
        threshold.input(lambda head, value, known: {**known, head: value}, [head, threshold, thresholds], thresholds, **LIVE)
        head.change(self.meaning, head, meaning, **LIVE)
        head.change(self.rescale, [key, head, thresholds], threshold, **LIVE).success(draw, inputs, outputs, **LIVE)
        for event in (picture.select(self.click, key, [row, column, place], **LIVE),
                      gr.on([row.input, column.input], self.typed, [key, row, column], place, **LIVE)):
            event.success(self.describe, [key, place], [pixel, where], **LIVE).success(draw, inputs, outputs, **LIVE)
        key.change(lambda: (None, None, None, None, ''), None, [row, column, place, pixel, where], **LIVE)
        return dict(fn=cleared(self.redraw, 4), inputs=[key, head, errors, thresholds], outputs=[threshold, *outputs])

    def linked_threshold(self, query: Mapping[str, str], name: str) -> dict[str, float] | None:
        """Threshold of the head that a link names."""
        value = page_link.number(query, name, -math.inf, math.inf)
        head = page_link.choice(query, 'head', self.explorer.heads) or self.explorer.heads[0]
        return None if value is None else {head: value}

    def meaning(self, head: str) -> str:
        """What a head says, in a line."""
        kind = type(self.inferencer.model.uncertainty_heads[head]).__name__
        return f'**{head}** is high where: {SCORE_MEANINGS.get(kind, "see the description of the method.")}'

    def rescale(self, key: str, head: str, thresholds: Mapping[str, float]) -> dict:
        """The threshold slider of a head, where the user or a link left it, else where the score itself flags."""
        low, high = pictures.slider_limits(self.inferencer.scales[head], self.explorer.explored(key).maps[head])
        start = thresholds.get(head, self.inferencer.scales[head].threshold)
        start = low + 0.7 * (high - low) if start is None or not low <= start <= high else start
        units = self.inferencer.scales[head].units
        return gr.update(minimum=low, maximum=high, step=(high - low) / 200, value=start, label=f'Flag pixels from ({units})')

    def redraw(self, key: str, head: str, errors: bool, thresholds: Mapping[str, float]) -> tuple:
        """The tab for a new image."""
        slider = self.rescale(key, head, thresholds)
        return slider, *self.draw(key, head, slider['value'], errors)

    def draw(self, key: str, head: str, threshold: float, errors: bool,
             pixel: tuple[int, int] | None = None) -> tuple[np.ndarray, str, str]:
        """Picture, facts and colour bar of one head; the chosen pixel is marked."""
        explored, scale = self.explorer.explored(key), self.inferencer.scales[head]
        limits = pictures.shown_limits(scale, explored.maps[head])
        facts = written_flags(explored, explored.maps[head] >= threshold)
        if errors and explored.truth is not None:
            chips = pictures.legend(['mistake, flagged', 'mistake, missed', 'flagged, but right'],
                                    [pictures.FOUND, pictures.MISSED, pictures.FALSE_ALARM], range(3))
            return self._marked(explored, pictures.error_picture(explored, head, threshold), pixel), facts, chips
        bar = pictures.colour_bar(pictures.HEAT_MAP, f'{limits[0]:.3g}', f'{limits[1]:.3g}', f'{scale.units} · cyan: flagged')
        return self._marked(explored, pictures.heat_picture(explored, head, threshold, limits), pixel), facts, bar

    @staticmethod
    def _marked(explored: ExploredImage, picture: np.ndarray, pixel: tuple[int, int] | None) -> np.ndarray:
        return picture if pixel is None else pictures.mark_pixel(explored, picture, pixel)

    def click(self, key: str, event: gr.SelectData) -> tuple[int, int, tuple[int, int]]:
        """Row, column and place of the clicked pixel."""
        column, row = (int(part) // pictures.enlargement(self.explorer.explored(key)) for part in event.index)
        place = self.typed(key, row, column)
        return *place, place

    def typed(self, key: str, row: float | None, column: float | None) -> tuple[int, int] | None:
        """The place inside the picture that is nearest to a row and a column, ``None`` while one is missing."""
        if row is None or column is None:
            return None
        height, width = self.explorer.explored(key).labels.shape
        return min(max(int(row), 0), height - 1), min(max(int(column), 0), width - 1)

    def describe(self, key: str, place: tuple[int, int] | None) -> tuple[dict[str, float] | None, str]:
        """Class probabilities, scores and prediction set of a pixel."""
        if place is None:
            return None, ''
        explored, (row, column) = self.explorer.explored(key), place
        chosen = explored.probabilities[:, row, column].tolist()
        scores = ', '.join(f'{name} {values[row, column]:.3g}' for name, values in explored.maps.items())
        truth = '' if explored.truth is None else f' · label: {self.explorer.class_name(int(explored.truth[row, column]))}'
        members = '' if explored.membership is None else ' · set: ' + (', '.join(
            name for name, inside in zip(self.explorer.classes, explored.membership[:, row, column]) if inside) or 'empty')
        return dict(zip(self.explorer.classes, chosen)), f'row {row}, column {column}{truth} · {scores}{members}'

"""Sets at a threshold chosen by hand."""
from __future__ import annotations

from functools import partial

import gradio as gr
import numpy as np

from mmseg_uncertainty.functional.prediction_sets import SetFamily
from mmseg_uncertainty.models.score_meanings import SET_MEANINGS

from . import page_link, pictures
from .tab import LIVE, Linked, Tab, cleared
from .wording import written_level, written_sizes


class SetsTab(Tab):
    """Prediction sets at a threshold; see :class:`~mmseg_uncertainty.app.tab.Tab`."""

    name = 'Sets'

    def content(self, key: gr.State) -> dict:
        gr.Markdown('Every pixel gets the set of classes that reach the threshold 1 − λ. The slider counts the nines of λ, '
                    'so it resolves values next to 1. **A λ chosen by hand promises nothing**; the next tab does.')
        with gr.Row():
            family = gr.Radio(list(SET_MEANINGS), value='LAC', label='Sets', elem_id='family', scale=1)
            nines = gr.Slider(0, 6, 2, step=0.01, label='−log₁₀(1 − λ)', elem_id='nines', scale=3)
        meaning = gr.Markdown(SET_MEANINGS['LAC'], elem_id='family-meaning')
        gr.HTML(pictures.colour_bar(pictures.SET_SIZE_MAP, '1 class', f'{len(self.explorer.classes)} classes', 'set size'))
        picture = gr.Image(label='Classes in the set', interactive=False, elem_id='threshold-picture', buttons=['fullscreen'])
        facts = gr.Markdown(elem_id='threshold-facts')
        family.change(SET_MEANINGS.get, family, meaning, **LIVE)
        self.linked['family'] = Linked(family, partial(page_link.choice, known=list(SET_MEANINGS)))
        self.linked['nines'] = Linked(nines, partial(page_link.number, low=0, high=6))
        redraw = dict(fn=cleared(self.draw_thresholding, 2), inputs=[key, family, nines], outputs=[picture, facts])
        gr.on([family.change, nines.change], **redraw, **LIVE)
        return redraw

    def draw_thresholding(self, key: str, family: str, nines: float) -> tuple[np.ndarray, str]:
        """Heat map and facts of one threshold."""
        explored, threshold = self.explorer.explored(key), 10.0**-nines
        sizes = explored.set_sizes(SetFamily(family.lower()), threshold)
        return pictures.size_picture(explored, sizes), (
            f'λ = **{written_level(threshold)}** · threshold 1 − λ = {threshold:.2g} · {written_sizes(sizes, explored.num_classes)}')

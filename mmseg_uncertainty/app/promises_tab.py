"""Sets that keep a promise."""
from __future__ import annotations

from functools import partial

import gradio as gr
import numpy as np

from mmseg_uncertainty.functional.conformal_losses import LOSSES

from . import page_link, pictures
from .explorer import Explorer
from .promise_curves import promise_curves
from .tab import LIVE, Linked, Tab, cleared
from .wording import written_level, written_sizes


class PromisesTab(Tab):
    """Prediction sets at the threshold that keeps a promise; see :class:`~mmseg_uncertainty.app.tab.Tab`."""

    name = 'Promises'

    def __init__(self, explorer: Explorer) -> None:
        super().__init__(explorer)
        self.curves = promise_curves(explorer.inferencer.model)

    def content(self, key: gr.State) -> dict:
        missing = self.curves is None
        gr.Markdown(
            'This model keeps no calibration curves. Fit a `ConformalRiskControlHead` with `tools/train.py` and a config such '
            'as `*_CRC.py`, and open the checkpoint that it writes.' if missing else
            f'λ̂ follows from the curves of {self.curves.num_images} calibration images, at once and without the images. '
            '**The promise**: on a further image exchangeable with them, the expected loss is at most α — on average over '
            'images, not for every image or pixel.')
        with gr.Row(visible=not missing):
            alpha = gr.Slider(0.002, 0.3, 0.05, step=0.001, label='α, allowed loss', elem_id='alpha')
            loss = gr.Radio(list(LOSSES) if missing else written_losses(), value='miscoverage', label='loss', elem_id='loss')
            tau = gr.Slider(0.5, 1, 0.95, step=0.005, label='τ, share of an image to cover', elem_id='tau', visible=False)
            label = gr.Dropdown([(name, index) for index, name in enumerate(self.explorer.classes)], value=0, label='class',
                                visible=False, elem_id='loss-class')
        facts = gr.Markdown(elem_id='promise-facts')
        picture = gr.Image(label='Classes in the set', interactive=False, elem_id='promise-picture', visible=not missing,
                           buttons=['fullscreen'])
        gr.HTML(pictures.colour_bar(pictures.SET_SIZE_MAP, '1 class', f'{len(self.explorer.classes)} classes', 'set size'),
                visible=not missing)
        curve = gr.Image(show_label=False, interactive=False, elem_id='promise-curve', visible=not missing, buttons=[])
        self.linked['alpha'] = Linked(alpha, partial(page_link.number, low=0.002, high=0.3))
        redraw = dict(fn=cleared(self.draw_promise, 3), inputs=[key, alpha, loss, tau, label], outputs=[picture, facts, curve])
        if missing:
            return dict(fn=lambda: None)
        loss.change(lambda loss: (gr.update(visible=loss == 'binary'), gr.update(visible=loss == 'class_miss')), loss,
                    [tau, label], **LIVE)
        gr.on([alpha.change, loss.change, tau.change, label.change], **redraw, **LIVE)
        return redraw

    def draw_promise(self, key: str, alpha: float, loss: str, tau: float, label: int) -> tuple[np.ndarray, str, np.ndarray]:
        """Heat map, facts and curves of one promise."""
        explored = self.explorer.explored(key)
        options = {'binary': dict(coverage=tau), 'class_miss': dict(label=label)}.get(loss, {})
        promise = self.curves.promise(alpha, loss, **options)
        chosen = promise.chosen
        sizes = explored.set_sizes(self.curves.family, chosen.threshold)
        feasible = '' if chosen.feasible else (
            f'**{chosen.num_images} calibration images are too few for α = {alpha:g}**, which needs at least '
            f'{chosen.images_needed}, so every set holds every class. ')
        classes = self.explorer.classes
        facts = (f'{feasible}λ̂ = **{written_level(chosen.threshold)}** from {chosen.num_images} images · expected set size '
                 f'**{promise.expected_size:.2f}** of {len(classes)} classes · calibration loss {chosen.empirical_risk:.4f}'
                 f'  \nthis image: {written_sizes(sizes, explored.num_classes)}')
        name = {'binary': f'share of images below τ = {tau:g}', 'class_miss': f'missed {classes[label]}'}.get(
            loss, 'missed share of pixels')
        curve = pictures.curve_picture(promise, self.curves.risks(loss, **options), self.curves.sizes, alpha, name)
        return pictures.size_picture(explored, sizes), facts, curve


def written_losses() -> list[tuple[str, str]]:
    """Losses as the page names them."""
    return [('missed pixels', 'miscoverage'), ('images below τ', 'binary'), ('missed class', 'class_miss')]

"""Flags that keep a promise."""
from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import gradio as gr
import numpy as np

from mmseg_uncertainty.runtime.flag_summary import first_flagged

from . import page_link, pictures
from .decision_curves import DecisionCurves
from .explorer import Explorer
from .tab import LIVE, Linked, Tab, cleared
from .wording import written_flags


class DecisionsTab(Tab):
    """Flagged pixels at the threshold that keeps a promise; see :class:`~mmseg_uncertainty.app.tab.Tab`."""

    name = 'Decisions'

    def __init__(self, explorer: Explorer) -> None:
        super().__init__(explorer)
        self.decisions = {name: DecisionCurves(decision) for name, decision in explorer.inferencer.model.decisions.items()}

    def content(self, key: gr.State) -> dict:
        missing = not self.decisions
        gr.Markdown(
            'This model makes no decisions. Fit one with `mmseg-uncertainty fit … --add false_alarms`, and open the checkpoint '
            'that it writes.' if missing else
            'Choose what an error may cost; the threshold follows from the counts of the calibration images, at once. '
            '**The promise** is about further images exchangeable with them, not about this one.')
        names, first = list(self.decisions), next(iter(self.decisions), None)
        kinds = [] if missing else written_promises(self.decisions[first].kinds)
        with gr.Row(visible=not missing):
            name = gr.Dropdown(names, value=first, label='decision', elem_id='decision', visible=len(names) > 1)
            kind = gr.Radio(kinds, value=None if missing else kinds[0][1], label='what to keep low', elem_id='decision-kind')
            alpha = gr.Slider(0.005, 0.5, 0.05, step=0.005, label='α, at most', elem_id='decision-alpha')
        facts = gr.Markdown(elem_id='decision-facts')
        picture = gr.Image(label='Flagged pixels', interactive=False, elem_id='decision-picture', visible=not missing,
                           buttons=['fullscreen'])
        curve = gr.Image(show_label=False, interactive=False, elem_id='decision-curve', visible=not missing, buttons=[])
        if missing:
            return dict(fn=lambda: None)
        self.linked['level'] = Linked(alpha, partial(page_link.number, low=0.005, high=0.5))
        redraw = dict(fn=cleared(self.draw_decision, 3), inputs=[key, name, kind, alpha], outputs=[picture, facts, curve])
        name.change(lambda name: gr.update(choices=written_promises(self.decisions[name].kinds), value='false_alarms'), name, kind,
                    **LIVE)
        gr.on([name.change, kind.change, alpha.change], **redraw, **LIVE)
        return redraw

    def draw_decision(self, key: str, name: str, kind: str, alpha: float) -> tuple[np.ndarray, str, np.ndarray]:
        """Flagged pixels, facts and trade-off of one promise."""
        explored, curves = self.explorer.explored(key), self.decisions[name]
        head, of = curves.decision.head, curves.decision.promise.of
        promise, chosen = curves.choose(kind, alpha)
        from_threshold = first_flagged(chosen.threshold)
        alarms, found = curves.rates(chosen.threshold)
        kept = f'score `{head}` above **{chosen.threshold:.4g}**, from {chosen.result.num_images} images'
        if not chosen.result.feasible:
            kept = (f'**{chosen.result.num_images} calibration images are too few for this promise**, which needs at least '
                    f'{chosen.result.images_needed}, so {"nothing" if chosen.threshold > 0 else "everything"} is flagged')
        facts = (f'**{promise.text[0].upper()}{promise.text[1:]}.**  \n{kept} · calibration images: {100 * alarms:.1f} % false '
                 f'alarms{"" if math.isnan(found) else f", {100 * found:.0f} % of the {of} found"}  \nthis image: '
                 f'{written_flags(explored, explored.maps[head] >= from_threshold)}')
        limits = pictures.shown_limits(self.inferencer.scales[head], explored.maps[head])
        return (pictures.heat_picture(explored, head, from_threshold, limits), facts,
                pictures.trade_off_picture(curves.trade_off, (alarms, found), of))


def written_promises(kinds: Sequence[str]) -> list[tuple[str, str]]:
    """Promises as the page names them."""
    names = dict(false_alarms='false alarms', misses='misses', frame_alarms='alarms of frames',
                 selective_risk='risk of what is kept', precision='flags that are false')
    return [(names[kind], kind) for kind in kinds]

"""The page: tabs over one predicted image."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gradio as gr
import numpy as np

from mmseg_uncertainty.apis import UncertaintyInferencer
from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.runtime.image_checks import IMAGE_SUFFIXES, SKIP_HINT
from mmseg_uncertainty.runtime.image_sources import VIDEO_SUFFIXES, ImageSource, read_image

from . import page_link, pictures
from .decisions_tab import DecisionsTab
from .explored_image import MOST_PIXELS
from .explorer import Explorer
from .held_out_examples import Example
from .promises_tab import PromisesTab
from .sets_tab import SetsTab
from .tab import Linked
from .uncertainty_tab import UncertaintyTab
from .video_frames import frame_count, read_frame

STYLE, SCRIPT = ((Path(__file__).parent / name).read_text(encoding='utf-8') for name in ('style.css', 'page.js'))


class UncertaintyApp:
    """Builds the page for one model.

    Args:
        inferencer: The model, loaded once.
        examples: Images that the model has not seen.
        title: Name of the model.
    """

    def __init__(self, inferencer: UncertaintyInferencer, examples: Sequence[Example], title: str) -> None:
        self.inferencer, self.examples, self.title = inferencer, list(examples), title
        self.explorer = Explorer(inferencer)
        self.tabs = [kind(self.explorer) for kind in (UncertaintyTab, DecisionsTab, SetsTab, PromisesTab)]

    def build(self) -> gr.Blocks:
        """The page, not yet served."""
        # Fonts of the system: nothing is fetched from elsewhere.
        fonts = ['ui-sans-serif', 'system-ui', 'sans-serif']
        self.theme = gr.themes.Soft(primary_hue='teal', neutral_hue='slate', font=fonts, font_mono=['ui-monospace', 'monospace'])
        with gr.Blocks(title=f'Uncertainty of {self.title}', analytics_enabled=False, delete_cache=(600, 3600)) as page:
            self.page = page
            key = gr.State('')
            gr.HTML(f'<header><h1>When can this segmentation be trusted?</h1><p>{self.title} · {len(self.explorer.classes)} '
                    'classes · higher always means more uncertain<span class="keys"> · keys 1 to 4 open tabs, ← and → other '
                    'examples</span></p></header>')
            with gr.Row(equal_height=False, elem_id='page'):
                with gr.Column(scale=1, min_width=300, elem_id='sources'):
                    sources = self._sources()
                with gr.Column(scale=3, elem_id='results'):
                    with gr.Tabs() as shown:
                        redraws = [tab.build(key) for tab in self.tabs]
            self._connect(key, sources, shown, redraws)
        return page

    def _sources(self) -> dict:
        prediction = gr.Image(label='Prediction', interactive=False, elem_id='prediction', buttons=[])
        legend = gr.HTML(elem_id='prediction-legend')
        upload = gr.File(label='Your image or video', type='filepath', height=160, elem_id='upload')
        frame = gr.Slider(0, 1, 0, step=1, label='Frame of the video', visible=False, elem_id='frame')
        if self.examples:
            gr.HTML('<p class="note"><b>Held-out examples</b>, used neither for training nor for calibration</p>')
        gallery = gr.Gallery(
            [(example.image[..., ::-1], example.name) for example in self.examples], show_label=False, columns=2, height='auto',
            allow_preview=False, elem_id='examples', visible=bool(self.examples), buttons=[])
        return dict(upload=upload, gallery=gallery, prediction=prediction, legend=legend, frame=frame)

    def _connect(self, key: gr.State, sources: dict, tabs: gr.Tabs, redraws: Sequence[dict]) -> None:
        shown = [key, sources['prediction'], sources['legend']]
        upload, frame = sources['upload'], sources['frame']
        chosen = gr.Number(0, visible='hidden', precision=0)
        picked = [
            upload.upload(self.upload, upload, [*shown, frame], show_progress='minimal', api_visibility='private'),
            frame.change(self.show_frame, [upload, frame], shown, show_progress='minimal', trigger_mode='always_last',
                         api_visibility='private'),
            sources['gallery'].select(self.pick, None, [*shown, frame, chosen], api_visibility='private')]
        linked = self.linked()
        if self.examples:
            restored = [value.into or value.part for value in linked.values()]
            picked.append(self.page.load(self.first, None, [*shown, tabs, *restored], api_visibility='private'))
            picked[2].success(None, chosen, None, js=page_link.keep(['example']), api_visibility='private')
        for name, value in linked.items():
            value.part.change(None, value.part, None, js=page_link.keep([name]), api_visibility='private')
        for event in picked:
            for redraw in redraws:
                event.success(**redraw)

    def linked(self) -> dict[str, Linked]:
        """What links keep, by its name there."""
        return {name: value for tab in self.tabs for name, value in tab.linked.items()}

    def upload(self, path: str) -> tuple:
        """Predict an uploaded image, or the first frame of a video; a refused file clears what was shown."""
        try:
            suffix = Path(path).suffix.lower()
            if suffix in VIDEO_SUFFIXES:
                slider = gr.update(visible=True, maximum=max(frame_count(path) - 1, 1), value=0)
                return *self._predicted(read_frame(path, 0)), slider
            if suffix not in IMAGE_SUFFIXES:
                raise DatasetError(f'{path} has a file type that the app does not take; it takes '
                                   f'{", ".join((*IMAGE_SUFFIXES, *VIDEO_SUFFIXES))}.')
            image = read_image(ImageSource(Path(path).stem, Path(path)), max_pixels=MOST_PIXELS)
            return *self._predicted(image), gr.update(visible=False)
        except (DatasetError, ValueError) as error:
            return *refused(error, path), gr.update(visible=False)

    def show_frame(self, path: str, index: float) -> tuple:
        """Predict a frame of the uploaded video."""
        try:
            return self._predicted(read_frame(path, int(index)))
        except (DatasetError, ValueError) as error:
            return refused(error, path)

    def first(self, request: gr.Request) -> tuple:
        """Predict the example that a link names, or the first, so that no page starts empty."""
        query = dict(request.query_params)
        index = page_link.number(query, 'example', 0, len(self.examples) - 1)
        example = self.examples[int(index or 0)]
        tab = page_link.choice(query, 'tab', [tab.name for tab in self.tabs])
        restored = [value.read(query, name) for name, value in self.linked().items()]
        return (*self._predicted(example.image, example.truth), gr.skip() if tab is None else gr.Tabs(selected=tab),
                *(gr.skip() if value is None else value for value in restored))

    def pick(self, event: gr.SelectData) -> tuple:
        """Predict an example."""
        example = self.examples[event.index]
        return *self._predicted(example.image, example.truth), gr.update(visible=False), event.index

    def _predicted(self, image: np.ndarray, truth: np.ndarray | None = None) -> tuple[str, np.ndarray, str]:
        key, classes, palette = self.explorer.store.add(image, truth), self.explorer.classes, self.explorer.palette
        explored = self.explorer.store.get(key)
        shown = np.unique(explored.labels).tolist()
        return key, pictures.class_picture(explored, palette), pictures.legend(classes, palette, shown)



def refused(error: Exception, path: str) -> tuple[str, None, str]:
    """Nothing in place of a result, and the reason."""
    told = str(error).replace(path, Path(path).name).replace(SKIP_HINT, 'Choose another file.')
    gr.Warning(told, duration=None, title='This file cannot be used')
    return '', None, '<p class="note">This file cannot be used. Choose another one.</p>'

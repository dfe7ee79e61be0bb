"""The page: tabs over one predicted image."""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import gradio as gr
import numpy as np

from mmseg_uncertainty.apis import UncertaintyInferencer
from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.functional.conformal_losses import LOSSES
from mmseg_uncertainty.functional.prediction_sets import SetFamily
from mmseg_uncertainty.label_values import VOID
from mmseg_uncertainty.runtime.flag_summary import first_flagged
from mmseg_uncertainty.runtime.image_checks import IMAGE_SUFFIXES, SKIP_HINT
from mmseg_uncertainty.models.score_meanings import SCORE_MEANINGS, SET_MEANINGS
from mmseg_uncertainty.runtime.image_sources import VIDEO_SUFFIXES, ImageSource, read_image

from . import page_link, pictures
from .decision_curves import DecisionCurves
from .explored_image import MOST_PIXELS, ExploredImage, ImageStore
from .held_out_examples import Example
from .promise_curves import promise_curves
from .video_frames import frame_count, read_frame

CHOOSE = 'Choose an example or upload an image first.'
FORGOTTEN = 'This image had to make room for others. Choose it again.'
STYLE, SCRIPT = ((Path(__file__).parent / name).read_text(encoding='utf-8') for name in ('style.css', 'page.js'))
LIVE = dict(show_progress='hidden', trigger_mode='always_last', api_visibility='private')
TOP_CLASSES = 8


class UncertaintyApp:
    """Builds the page for one model.

    Args:
        inferencer: The model, loaded once.
        examples: Images that the model has not seen.
        title: Name of the model.
    """

    def __init__(self, inferencer: UncertaintyInferencer, examples: Sequence[Example], title: str) -> None:
        self.inferencer, self.examples, self.title = inferencer, list(examples), title
        self.store = ImageStore(inferencer)
        self.curves = promise_curves(inferencer.model)
        self.decisions = {name: DecisionCurves(decision) for name, decision in inferencer.model.decisions.items()}
        self.classes, self.palette = inferencer.classes, inferencer.palette
        self.heads = list(inferencer.scales)
        # Controls that links keep, by their names there, and how their values are read from a link.
        self.linked: dict[str, tuple[gr.components.Component, Callable]] = {}

    def build(self) -> gr.Blocks:
        """The page, not yet served."""
        # Fonts of the system: nothing is fetched from elsewhere.
        fonts = ['ui-sans-serif', 'system-ui', 'sans-serif']
        self.theme = gr.themes.Soft(primary_hue='teal', neutral_hue='slate', font=fonts, font_mono=['ui-monospace', 'monospace'])
        with gr.Blocks(title=f'Uncertainty of {self.title}', analytics_enabled=False, delete_cache=(600, 3600)) as page:
            self.page = page
            key = gr.State('')
            gr.HTML(f'<header><h1>When can this segmentation be trusted?</h1><p>{self.title} · {len(self.classes)} classes · '
                    'higher always means more uncertain · keys 1 to 4 open tabs, ← and → other examples</p></header>')
            with gr.Row(equal_height=False):
                with gr.Column(scale=1, min_width=300):
                    sources = self._sources()
                with gr.Column(scale=3):
                    with gr.Tabs():
                        tabs = [self._uncertainty(key), self._decisions(key), self._thresholding(key), self._promises(key)]
            self._connect(key, sources, tabs)
        return page

    def explored(self, key: str) -> ExploredImage:
        """The image of a key.

        Raises:
            gradio.Error: There is none.
        """
        image = self.store.get(key) if key else None
        if image is None:
            raise gr.Error(FORGOTTEN if key else CHOOSE, print_exception=False)
        return image

    def _sources(self) -> dict:
        prediction = gr.Image(label='Prediction', interactive=False, elem_id='prediction', buttons=[])
        legend = gr.HTML(elem_id='prediction-legend')
        upload = gr.File(label='Your image or video', type='filepath', height=130, elem_id='upload')
        frame = gr.Slider(0, 1, 0, step=1, label='Frame of the video', visible=False, elem_id='frame')
        if self.examples:
            gr.HTML('<p class="note"><b>Held-out examples</b>, used neither for training nor for calibration</p>')
        gallery = gr.Gallery(
            [(example.image[..., ::-1], example.name) for example in self.examples], show_label=False, columns=2, height='auto',
            allow_preview=False, elem_id='examples', visible=bool(self.examples), buttons=[])
        return dict(upload=upload, gallery=gallery, prediction=prediction, legend=legend, frame=frame)

    def _connect(self, key: gr.State, sources: dict, tabs: Sequence[Callable]) -> None:
        shown = [key, sources['prediction'], sources['legend']]
        upload, frame = sources['upload'], sources['frame']
        chosen = gr.Number(0, visible='hidden', precision=0)
        picked = [
            upload.upload(self.upload, upload, [*shown, frame], show_progress='minimal', api_visibility='private'),
            frame.change(self.show_frame, [upload, frame], shown, show_progress='minimal', trigger_mode='always_last',
                         api_visibility='private'),
            sources['gallery'].select(self.pick, None, [*shown, frame, chosen], api_visibility='private')]
        if self.examples:
            restored = {name: part for name, (part, _) in self.linked.items()}
            picked.append(self.page.load(self.first, None, [*shown, *restored.values()], api_visibility='private'))
            picked[2].success(None, chosen, None, js=page_link.keep(['example']), api_visibility='private')
        for name, (part, _) in self.linked.items():
            part.change(None, part, None, js=page_link.keep([name]), api_visibility='private')
        for event in picked:
            for redraw in tabs:
                event.success(**redraw)

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
        restored = [read(query, name) for name, (_, read) in self.linked.items()]
        return *self._predicted(example.image, example.truth), *(gr.skip() if value is None else value for value in restored)

    def pick(self, event: gr.SelectData) -> tuple:
        """Predict an example."""
        example = self.examples[event.index]
        return *self._predicted(example.image, example.truth), gr.update(visible=False), event.index

    def _predicted(self, image: np.ndarray, truth: np.ndarray | None = None) -> tuple[str, np.ndarray, str]:
        key = self.store.add(image, truth)
        explored = self.store.get(key)
        shown = np.unique(explored.labels).tolist()
        return key, pictures.class_picture(explored, self.palette), pictures.legend(self.classes, self.palette, shown)

    def _thresholding(self, key: gr.State) -> dict:
        with gr.Tab('Sets', elem_id='tab-thresholding'):
            gr.Markdown('Every pixel gets the set of classes that reach the threshold 1 − λ. The slider counts the nines of λ, '
                        'so it resolves values next to 1. **A λ chosen by hand promises nothing**; the next tab does.')
            with gr.Row():
                family = gr.Radio(list(SET_MEANINGS), value='LAC', label='Sets', elem_id='family', scale=1)
                nines = gr.Slider(0, 6, 2, step=0.01, label='−log₁₀(1 − λ)', elem_id='nines', scale=3)
            meaning = gr.Markdown(SET_MEANINGS['LAC'], elem_id='family-meaning')
            gr.HTML(pictures.colour_bar(pictures.SIZE_MAP, '1 class', f'{len(self.classes)} classes', 'set size'))
            picture = gr.Image(label='Classes in the set', interactive=False, elem_id='threshold-picture', buttons=['fullscreen'])
            facts = gr.Markdown(elem_id='threshold-facts')
        family.change(SET_MEANINGS.get, family, meaning, **LIVE)
        self.linked |= dict(family=(family, partial(page_link.choice, known=list(SET_MEANINGS))),
                            nines=(nines, partial(page_link.number, low=0, high=6)))
        redraw = dict(fn=cleared(self.draw_thresholding, 2), inputs=[key, family, nines], outputs=[picture, facts])
        gr.on([family.change, nines.change], **redraw, **LIVE)
        return redraw | LIVE

    def draw_thresholding(self, key: str, family: str, nines: float) -> tuple[np.ndarray, str]:
        """Heat map and facts of one threshold."""
        explored, threshold = self.explored(key), 10.0**-nines
        sizes = explored.set_sizes(SetFamily(family.lower()), threshold)
        return pictures.size_picture(explored, sizes), (
            f'λ = **{written_level(threshold)}** · threshold 1 − λ = {threshold:.2g} · {written_sizes(sizes, explored.num_classes)}')

    def _promises(self, key: gr.State) -> dict:
        with gr.Tab('Promises', elem_id='tab-conformal'):
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
                label = gr.Dropdown([(name, index) for index, name in enumerate(self.classes)], value=0, label='class',
                                    visible=False, elem_id='loss-class')
            facts = gr.Markdown(elem_id='promise-facts')
            picture = gr.Image(label='Classes in the set', interactive=False, elem_id='promise-picture', visible=not missing,
                               buttons=['fullscreen'])
            gr.HTML(pictures.colour_bar(pictures.SIZE_MAP, '1 class', f'{len(self.classes)} classes', 'set size'),
                    visible=not missing)
            curve = gr.Image(show_label=False, interactive=False, elem_id='promise-curve', visible=not missing, buttons=[])
        self.linked |= dict(alpha=(alpha, partial(page_link.number, low=0.002, high=0.3)))
        redraw = dict(fn=cleared(self.draw_promise, 3), inputs=[key, alpha, loss, tau, label], outputs=[picture, facts, curve])
        if missing:
            return dict(fn=lambda: None) | LIVE
        loss.change(lambda loss: (gr.update(visible=loss == 'binary'), gr.update(visible=loss == 'class_miss')), loss,
                    [tau, label], **LIVE)
        gr.on([alpha.change, loss.change, tau.change, label.change], **redraw, **LIVE)
        return redraw | LIVE

    def draw_promise(self, key: str, alpha: float, loss: str, tau: float, label: int) -> tuple[np.ndarray, str, np.ndarray]:
        """Heat map, facts and curves of one promise."""
        explored = self.explored(key)
        options = {'binary': dict(coverage=tau), 'class_miss': dict(label=label)}.get(loss, {})
        promise = self.curves.promise(alpha, loss, **options)
        chosen = promise.chosen
        sizes = explored.set_sizes(self.curves.family, chosen.threshold)
        feasible = '' if chosen.feasible else (
            f'**{chosen.num_images} calibration images are too few for α = {alpha:g}**, which needs at least '
            f'{chosen.images_needed}, so every set holds every class. ')
        facts = (f'{feasible}λ̂ = **{written_level(chosen.threshold)}** from {chosen.num_images} images · expected set size '
                 f'**{promise.expected_size:.2f}** of {len(self.classes)} classes · calibration loss {chosen.empirical_risk:.4f}'
                 f'  \nthis image: {written_sizes(sizes, explored.num_classes)}')
        name = {'binary': f'share of images below τ = {tau:g}', 'class_miss': f'missed {self.classes[label]}'}.get(
            loss, 'missed share of pixels')
        curve = pictures.curve_picture(promise, self.curves.risks(loss, **options), self.curves.sizes, alpha, name)
        return pictures.size_picture(explored, sizes), facts, curve

    def _decisions(self, key: gr.State) -> dict:
        with gr.Tab('Decisions', elem_id='tab-decisions'):
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
            return dict(fn=lambda: None) | LIVE
        self.linked |= dict(level=(alpha, partial(page_link.number, low=0.005, high=0.5)))
        redraw = dict(fn=cleared(self.draw_decision, 3), inputs=[key, name, kind, alpha], outputs=[picture, facts, curve])
        name.change(lambda name: gr.update(choices=written_promises(self.decisions[name].kinds), value='false_alarms'), name, kind,
                    **LIVE)
        gr.on([name.change, kind.change, alpha.change], **redraw, **LIVE)
        return redraw | LIVE

    def draw_decision(self, key: str, name: str, kind: str, alpha: float) -> tuple[np.ndarray, str, np.ndarray]:
        """Flagged pixels, facts and trade-off of one promise."""
        explored, curves = self.explored(key), self.decisions[name]
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

    def _uncertainty(self, key: gr.State) -> dict:
        with gr.Tab('Uncertainty', elem_id='tab-uncertainty'):
            with gr.Row():
                head = gr.Dropdown(self.heads, value=self.heads[0], label='Head', elem_id='head', scale=1)
                threshold = gr.Slider(0, 1, 0.5, step=0.001, label='Flag pixels from', elem_id='flag', scale=2)
                errors = gr.Checkbox(False, label='Error overlay (needs labels)', elem_id='errors', scale=1)
            meaning = gr.Markdown(self.meaning(self.heads[0]), elem_id='head-meaning')
            bar = gr.HTML()
            picture = gr.Image(label='Click a pixel', interactive=False, elem_id='uncertainty-picture', buttons=['fullscreen'])
            facts = gr.Markdown(elem_id='uncertainty-facts')
            pixel_place = gr.State(None)
            pixel = gr.Label(num_top_classes=TOP_CLASSES, label='Classes of the clicked pixel', elem_id='pixel')
            where = gr.Markdown(elem_id='pixel-facts')
        self.linked |= dict(head=(head, partial(page_link.choice, known=self.heads)))
        inputs, outputs = [key, head, threshold, errors, pixel_place], [picture, facts, bar]
        draw = cleared(self.draw_uncertainty, 3)
        gr.on([threshold.change, errors.change], draw, inputs, outputs, **LIVE)
        head.change(self.meaning, head, meaning, **LIVE)
        scale = dict(fn=self.rescale, inputs=[key, head], outputs=threshold)
        head.change(**scale, **LIVE).success(draw, inputs, outputs, **LIVE)
        picture.select(self.click, [key], [pixel, where, pixel_place], **LIVE).success(draw, inputs, outputs, **LIVE)
        key.change(lambda: (None, '', None), None, [pixel, where, pixel_place], **LIVE)
        return dict(fn=cleared(self.redraw_head, 4), inputs=[key, head, errors], outputs=[threshold, *outputs]) | LIVE

    def meaning(self, head: str) -> str:
        """What a head says, in a line."""
        kind = type(self.inferencer.model.uncertainty_heads[head]).__name__
        return f'**{head}** is high where: {SCORE_MEANINGS.get(kind, "see the description of the method.")}'

    def rescale(self, key: str, head: str) -> dict:
        """The threshold slider of a head."""
        low, high = pictures.slider_limits(self.inferencer.scales[head], self.explored(key).maps[head])
        start = self.inferencer.scales[head].threshold
        start = low + 0.7 * (high - low) if start is None or not low <= start <= high else start
        units = self.inferencer.scales[head].units
        return gr.update(minimum=low, maximum=high, step=(high - low) / 200, value=start, label=f'Flag pixels from ({units})')

    def redraw_head(self, key: str, head: str, errors: bool) -> tuple:
        """The tab for a new image."""
        slider = self.rescale(key, head)
        return slider, *self.draw_uncertainty(key, head, slider['value'], errors)

    def draw_uncertainty(self, key: str, head: str, threshold: float, errors: bool,
                         pixel: tuple[int, int] | None = None) -> tuple[np.ndarray, str, str]:
        """Picture, facts and colour bar of one head; a clicked pixel is marked."""
        explored, scale = self.explored(key), self.inferencer.scales[head]
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

    def click(self, key: str, event: gr.SelectData) -> tuple[dict[str, float], str, tuple[int, int]]:
        """Class probabilities, scores, prediction set and place of the clicked pixel."""
        explored = self.explored(key)
        column, row = (min(max(int(part) // pictures.enlargement(explored), 0), last - 1)
                       for part, last in zip(event.index, explored.labels.shape[::-1]))
        chosen = explored.probabilities[:, row, column].tolist()
        scores = ', '.join(f'{name} {values[row, column]:.3g}' for name, values in explored.maps.items())
        truth = '' if explored.truth is None else f' · label: {self._name(int(explored.truth[row, column]))}'
        members = '' if explored.membership is None else ' · set: ' + (
            ', '.join(name for name, inside in zip(self.classes, explored.membership[:, row, column]) if inside) or 'empty')
        return dict(zip(self.classes, chosen)), f'row {row}, column {column}{truth} · {scores}{members}', (row, column)

    def _name(self, label: int) -> str:
        return self.classes[label] if label < len(self.classes) else 'void'


def refused(error: Exception, path: str) -> tuple[str, None, str]:
    """Nothing in place of a result, and the reason."""
    told = str(error).replace(path, Path(path).name).replace(SKIP_HINT, 'Choose another file.')
    gr.Warning(told, duration=None, title='This file cannot be used')
    return '', None, '<p class="note">This file cannot be used. Choose another one.</p>'


def cleared(draw: Callable, outputs: int) -> Callable:
    """A function that draws an image, and clears its outputs where there is none."""

    def drawn(key: str, *options) -> tuple:
        return draw(key, *options) if key else (None, ) * outputs

    return drawn


def written_level(threshold: float) -> str:
    """Lambda with as many digits as tell it from 1."""
    if threshold <= 0:
        return '1'
    return f'{1 - threshold:.{max(3, 2 - math.floor(math.log10(threshold)))}f}'


def written_sizes(sizes: np.ndarray, num_classes: int) -> str:
    """Mean size and shares of sets, in words."""
    return (f'**{sizes.mean():.2f}** classes per pixel · one class at {100 * (sizes == 1).mean():.1f} % · all classes at '
            f'{100 * (sizes >= num_classes).mean():.1f} %')


def written_losses() -> list[tuple[str, str]]:
    """Losses as the page names them."""
    return [('missed pixels', 'miscoverage'), ('images below τ', 'binary'), ('missed class', 'class_miss')]


def written_promises(kinds: Sequence[str]) -> list[tuple[str, str]]:
    """Promises as the page names them."""
    names = dict(false_alarms='false alarms', misses='misses', frame_alarms='alarms of frames',
                 selective_risk='risk of what is kept', precision='flags that are false')
    return [(names[kind], kind) for kind in kinds]


def written_flags(explored: ExploredImage, flagged: np.ndarray) -> str:
    """How much is flagged, and what that finds where labels are known."""
    words = f'**{100 * flagged.mean():.1f} %** of the pixels flagged'
    mistakes = explored.mistakes
    if mistakes is None:
        return words + ' · labels unknown, so mistakes cannot be shown'
    known = explored.truth != VOID
    found = (flagged & mistakes).sum()
    return words + (f' · mistakes: {100 * mistakes[known].mean():.1f} % · found {100 * found / max(mistakes.sum(), 1):.0f} % of '
                    f'them · {100 * found / max((flagged & known).sum(), 1):.0f} % of the flagged are mistakes')

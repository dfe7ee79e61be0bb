"""One file that shows a test: table, curves, best and worst images, and how to make it again."""
from __future__ import annotations

import base64
import json
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from io import BytesIO
from math import isnan
from pathlib import Path

from mmengine.runner import Runner
from PIL import Image

from mmseg_uncertainty.engine.hooks.best_and_worst_hook import BestAndWorstHook, RankedImage
from mmseg_uncertainty.runtime.maps_page import draw_maps
from mmseg_uncertainty.runtime.output_files import whole_file
from mmseg_uncertainty.runtime.score_ranges import ScoreRanges

from .dataset_meta import colours
from .report_tables import comparison, metrics_tables, summary

STYLE = '''
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.55 ui-sans-serif, system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1.2rem;
  overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; line-height: 1.2; } h2 { margin-top: 2.2rem; font-size: 1.2rem; }
.table { overflow-x: auto; margin: .8rem 0; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; overflow-wrap: normal; }
th:first-child, td:first-child, .long td:nth-child(2) { text-align: left; }
td:first-child, .long td:nth-child(2) { overflow-wrap: break-word; }
table.sides th { overflow-wrap: anywhere; min-width: 4rem; } table.sides td:first-child { white-space: nowrap; }
td small { opacity: .65; display: block; white-space: nowrap; }
img { max-width: 100%; border-radius: .4rem; background: white; } figure { margin: 1rem 0; } figcaption { opacity: .75; }
pre { background: var(--soft); padding: .8rem; overflow: auto; border-radius: .4rem; max-height: 30rem; white-space: pre-wrap; }
details { margin: .6rem 0; } details > summary { cursor: pointer; padding: .2rem 0; }
.facts { opacity: .75; } .summary { background: var(--soft); padding: .8rem .8rem .8rem 2rem; border-radius: .4rem; }
@media (max-width: 40rem) { body { margin: 1rem auto; padding: 0 .7rem; } th, td { padding: .25rem .3rem; font-size: .8rem; }
  td small, table.sides td:first-child { white-space: normal; } td:first-child { overflow-wrap: anywhere; min-width: 4.5rem; } }
@media print { body { max-width: none; margin: 0; font-size: 11px; } figure, tr { break-inside: avoid; } h2 { break-after: avoid; }
  pre { max-height: none; overflow: visible; } .table { overflow: visible; } details:not([open]) { display: none; } }
'''
LARGEST_PICTURE = 1500


def write_report(path: str | Path,
                 results: dict,
                 runner: Runner,
                 plots: Iterable[Path],
                 ranked: BestAndWorstHook,
                 command: Sequence[str] = (),
                 other: Mapping | None = None) -> Path:
    """Write a report without references to other files.

    Args:
        path: HTML file to write; folders are made.
        results: What :func:`~mmseg_uncertainty.apis.results_file.results_of_test` returns.
        runner: The runner after testing.
        plots: Pictures of the evaluators' curves.
        ranked: Hook that kept the best and worst images.
        command: Words of the command; by default that of this process.
        other: Results of another run, to show both side by side.

    Returns:
        The path.
    """
    title = f'{Path(results["config"]).stem} on {results["dataset"]}'
    facts = f'{results["images"]} images, {len(results["skipped"])} left out · checkpoint {results["checkpoint"]}'
    curves = ''.join(_figure(Image.open(plot), plot.stem.replace('_', ' ')) for plot in sorted(plots))
    ranges = ScoreRanges(_model(runner).score_scales())
    for image in (*ranked.worst, *ranked.best):
        ranges.see(image.prediction)
    pictures = ''.join(f'<h2>{escape(heading)}</h2>{_ranked_figures(images, runner, ranges.limits())}'
                       for heading, images in (('Worst images', ranked.worst), ('Best images', ranked.best)) if images)
    body = (f'<h1>{escape(title)}</h1><p class="facts">{escape(facts)}</p><h2>Summary</h2>'
            f'{summary(results["metrics"])}{decisions_section(results)}'
            f'<h2>Results</h2>{metrics_tables(results["metrics"], ranked.scenes())}{_comparison(results, other)}'
            f'<h2>Curves</h2>{curves or "<p>The evaluators drew none.</p>"}{pictures}'
            f'{_provenance(results, runner, command or sys.argv)}')
    with whole_file(path) as partial:
        partial.write_text(page_of(title, body), encoding='utf-8')
    return Path(path)


def page_of(title: str, body: str) -> str:
    """A whole page with the style of reports, from its title and the HTML of its body."""
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
            f'<style>{STYLE}</style></head><body>{body}</body></html>\n')


def decisions_section(results: Mapping) -> str:
    """What was promised of each decision and what it came to, in words; ``''`` where none was measured.

    Args:
        results: What :func:`~mmseg_uncertainty.apis.results_file.results_of_test` returns.
    """
    promises = {name: text for evaluator in results['evaluators'] for name, text in evaluator.get('promises', {}).items()}
    lines = ''.join(f'<li><b>{escape(name)}</b>: {escape(text)}. {_realized(results["metrics"], name)}</li>'
                    for name, text in promises.items())
    return f'<h2>Decisions</h2><ul>{lines}</ul>' if lines else ''


def _comparison(results: Mapping, other: Mapping | None) -> str:
    if other is None:
        return ''
    names = [f'{Path(run["config"]).stem} ({run["checkpoint"]})' for run in (results, other)]
    if names[0] == names[1]:
        names = ['this run', 'the other run']
    differs = '' if results['dataset'] == other['dataset'] and results['images'] == other['images'] else (
        f'<p><b>Other data:</b> {results["images"]} images of {escape(results["dataset"])} here, {other["images"]} of '
        f'{escape(other["dataset"])} there.</p>')
    return f'<h2>Side by side</h2>{differs}{comparison(results["metrics"], other["metrics"], tuple(names))}'


def _realized(metrics: Mapping[str, float], decision: str) -> str:
    key, promised = next((key, value) for key, value in metrics.items()
                         if key.startswith(f'{decision}/') and '_promised[' in key)
    if isnan(promised):
        return 'The calibration images were too few for this promise.'
    value, low, high = (metrics.get(key.replace('_promised[', f'{side}[')) for side in ('', '_low', '_high'))
    interval = '' if low is None or high is None else f' ({100 * low:.2f} … {100 * high:.2f})'
    return f'Here: {100 * value:.2f} %{interval}, {"at least" if "/precision_" in key else "at most"} {100 * promised:g} % promised.'


def _ranked_figures(images: Sequence[RankedImage], runner: Runner, ranges: Mapping[str, tuple[float, float]]) -> str:
    model = _model(runner)
    meta = runner.test_dataloader.dataset.metainfo
    known = len(meta.get('classes') or ()) == model.num_classes
    classes = meta['classes'] if known else [f'class {index}' for index in range(model.num_classes)]
    palette = meta['palette'] if known and meta.get('palette') else colours(model.num_classes)
    scales, figures = model.score_scales(), []
    for ranked in images:
        page = draw_maps(ranked.image, ranked.prediction, classes, palette, scales, ranges)
        figures.append(_figure(Image.fromarray(page), f'{ranked.name}: {ranked.words}'))
    return ''.join(figures)


def _model(runner: Runner):
    return getattr(runner.model, 'module', runner.model)


def _figure(picture: Image.Image, caption: str) -> str:
    picture = picture.convert('RGB')
    picture.thumbnail((LARGEST_PICTURE, LARGEST_PICTURE))
    content = BytesIO()
    picture.save(content, 'WEBP', quality=82)
    data = base64.b64encode(content.getvalue()).decode()
    return (f'<figure><img src="data:image/webp;base64,{data}" alt="{escape(caption)}">'
            f'<figcaption>{escape(caption)}</figcaption></figure>')


def _provenance(results: dict, runner: Runner, command: Sequence[str]) -> str:
    facts = {key: results[key] for key in ('config', 'checkpoint', 'checkpoint_sha256', 'dataset', 'images', 'seed', 'options',
                                           'heads', 'evaluators', 'versions', 'skipped')}
    return ('<h2>To make it again</h2>'
            f'<pre>python {escape(shlex.join(command))}</pre><pre>{escape(json.dumps(facts, indent=2, default=str))}</pre>'
            f'<details><summary>The whole config</summary><pre>{escape(runner.cfg.pretty_text)}</pre></details>')

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

import numpy as np
from matplotlib.figure import Figure
from mmengine.runner import Runner
from PIL import Image

from mmseg_uncertainty.engine.hooks.best_and_worst_hook import BestAndWorstHook, RankedImage
from mmseg_uncertainty.runtime.output_files import whole_file
from mmseg_uncertainty.runtime.maps_page import draw_maps
from mmseg_uncertainty.runtime.score_ranges import ScoreRanges
from mmseg_uncertainty.runtime.result_keys import head_and_name

from .dataset_meta import colours

STYLE = '''
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.55 ui-sans-serif, system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { margin-top: 2.2rem; font-size: 1.2rem; }
.table { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } td small { opacity: .65; display: block; }
img { max-width: 100%; border-radius: .4rem; background: white; } figure { margin: 1rem 0; } figcaption { opacity: .75; }
pre { background: var(--soft); padding: .8rem; overflow: auto; border-radius: .4rem; max-height: 30rem; }
.facts { opacity: .75; }
'''
LARGEST_PICTURE = 1500


def write_report(path: str | Path,
                 results: dict,
                 runner: Runner,
                 plots: Iterable[Path],
                 ranked: BestAndWorstHook,
                 command: Sequence[str] = ()) -> Path:
    """Write a report without references to other files.

    Args:
        path: HTML file to write; folders are made.
        results: What :func:`~mmseg_uncertainty.apis.results_file.results_of_test` returns.
        runner: The runner after testing.
        plots: Pictures of the evaluators' curves.
        ranked: Hook that kept the best and worst images.
        command: Words of the command; by default that of this process.

    Returns:
        The path.
    """
    title = f'{Path(results["config"]).stem} on {results["dataset"]}'
    facts = f'{results["images"]} images, {len(results["skipped"])} left out · checkpoint {results["checkpoint"]}'
    curves = ''.join(_figure(Image.open(plot), plot.stem.replace('_', ' ')) for plot in sorted(plots))
    pictures = ''.join(f'<h2>{escape(heading)}</h2>' + ''.join(_ranked_figure(image, runner) for image in images)
                       for heading, images in (('Worst images', ranked.worst), ('Best images', ranked.best)) if images)
    body = (f'<h1>{escape(title)}</h1><p class="facts">{escape(facts)}</p><h2>Results</h2>'
            f'{metrics_tables(results["metrics"])}{decisions_section(results)}'
            f'<h2>Curves</h2>{curves or "<p>The evaluators drew none.</p>"}{pictures}'
            f'{_provenance(results, runner, command or sys.argv)}')
    page = (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
            f'</head><body>{body}</body></html>\n')
    with whole_file(path) as partial:
        partial.write_text(page, encoding='utf-8')
    return Path(path)


def metrics_tables(metrics: Mapping[str, float]) -> str:
    """HTML tables of the metrics of every head and of the model, intervals below the numbers.

    Args:
        metrics: Values by key ``HEAD/NAME[PROTOCOL]`` or ``NAME[PROTOCOL]``; ``NAME_low``, ``NAME_high`` and ``NAME_bound``
            go with NAME.
    """
    rows: dict[str, dict[str, float]] = {}
    for key, value in metrics.items():
        head, name = head_and_name(key)
        rows.setdefault(head, {})[name] = value
    heads = {head: values for head, values in rows.items() if head}
    return ''.join(_table(part) for part in (heads, {'model': rows['']} if '' in rows else {}) if part)


def decisions_section(results: Mapping) -> str:
    """What was promised of each decision and what it came to, in words; ``''`` where none was measured.

    Args:
        results: What :func:`~mmseg_uncertainty.apis.results_file.results_of_test` returns.
    """
    promises = {name: text for evaluator in results['evaluators'] for name, text in evaluator.get('promises', {}).items()}
    lines = ''.join(f'<li><b>{escape(name)}</b>: {escape(text)}. {_realized(results["metrics"], name)}</li>'
                    for name, text in promises.items())
    return f'<h2>Decisions</h2><ul>{lines}</ul>' if lines else ''


def _realized(metrics: Mapping[str, float], decision: str) -> str:
    key, promised = next((key, value) for key, value in metrics.items()
                         if key.startswith(f'{decision}/') and '_promised[' in key)
    if isnan(promised):
        return 'The calibration images were too few for this promise.'
    value, low, high = (metrics.get(key.replace('_promised[', f'{side}[')) for side in ('', '_low', '_high'))
    interval = '' if low is None or high is None else f' ({100 * low:.2f} … {100 * high:.2f})'
    return f'Here: {100 * value:.2f} %{interval}, {"at least" if "/precision_" in key else "at most"} {100 * promised:g} % promised.'


def _table(rows: Mapping[str, Mapping[str, float]]) -> str:
    names = list(dict.fromkeys(name for values in rows.values() for name in values if not _is_side(name, values)))
    head = ''.join(f'<th>{escape(name)}</th>' for name in ('', *names))
    body = ''.join(f'<tr><td>{escape(row)}</td>{"".join(_cell(values, name) for name in names)}</tr>'
                   for row, values in rows.items())
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _is_side(name: str, values: Mapping[str, float]) -> bool:
    stem, bracket, protocol = name.partition('[')
    return any(stem.endswith(side) and stem.removesuffix(side) + bracket + protocol in values
               for side in ('_low', '_high', '_bound'))


def _cell(values: Mapping[str, float], name: str) -> str:
    if name not in values:
        return '<td>–</td>'
    stem, bracket, protocol = name.partition('[')
    low, high = (values.get(f'{stem}{side}{bracket}{protocol}') for side in ('_low', '_high'))
    interval = '' if low is None or high is None else f'<small>{low:.4g} … {high:.4g}</small>'
    return f'<td>{values[name]:.4g}{interval}</td>'


def _ranked_figure(ranked: RankedImage, runner: Runner) -> str:
    model = getattr(runner.model, 'module', runner.model)
    meta = runner.test_dataloader.dataset.metainfo
    known = len(meta.get('classes') or ()) == model.num_classes
    classes = meta['classes'] if known else [f'class {index}' for index in range(model.num_classes)]
    palette = meta['palette'] if known and meta.get('palette') else colours(model.num_classes)
    scales = {name: head.scale_in_words(model.num_classes) for name, head in model.uncertainty_heads.items()}
    figure = draw_prediction(ranked.image, ranked.prediction, classes, palette,
                             {name: scale.range for name, scale in scales.items()},
                             units={name: scale.units for name, scale in scales.items()})
    return _figure(figure, f'{ranked.name}: {ranked.words}')


def _figure(picture: Figure | Image.Image | np.ndarray, caption: str) -> str:
    if isinstance(picture, Figure):
        picture = Image.fromarray(figure_pixels(picture))
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

"""Fit calibrators, measure every model before and after them on shifted data, and write docs/reliability.md."""
from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
import numpy as np

from mmseg_uncertainty.apis import SweepPlan, run_command
from mmseg_uncertainty.apis.sweep_pictures import severity_lines
from mmseg_uncertainty.apis.sweep_plan import CLEAN, NO_CALIBRATOR, SweptModel
from mmseg_uncertainty.apis.sweep_tables import average_rows, number, sweep_rows, table
from mmseg_uncertainty.engine.checkpoints import read_checkpoint
from mmseg_uncertainty.visualization.sweep_plots import plot_severities

ROOT = Path(__file__).resolve().parents[1]
READING = '## Reading the tables'
HEAD = 'msp'
METRICS = {'mIoU': ('mIoU, %', 1), 'ECE': ('ECE', 4), 'IDM_PRR': ('PRR, %', 1), 'OOD-image_AUROC': ('OOD AUROC, %', 1)}


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--plan', default='local_configs/sweeps/reliability.yaml', metavar='FILE',
                        help='plan of the sweep; default: %(default)s')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs/reliability', metavar='DIR',
                        help='where the sweep is kept')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/reliability.md', metavar='FILE', help='page to write')
    parser.add_argument('--only', nargs='+', metavar='MODEL', help='fit and measure these models; write all there is')
    parser.add_argument('--tables-only', action='store_true', help='fit and measure nothing')
    parser.add_argument('--debug', action='store_true', help='show the traceback of errors')
    return parser.parse_args()


def run_tool(name: str, *arguments: str | Path) -> None:
    """Run a tool of this project and stop at its first failure."""
    subprocess.run([sys.executable, ROOT / f'tools/{name}.py', *map(str, arguments)], check=True)


def fit_missing(entry: SweptModel, work_dir: Path) -> None:
    """Fit the calibrators of a model that lack a checkpoint; one pass of the base model serves all of them."""
    cache = work_dir / 'cache'
    for part in sorted(entry.calibrators.values(), key=lambda part: '_CTS' not in part.config):
        path = Path(part.checkpoint)
        if not path.is_file():
            run_tool('train', part.config, '--load-from', entry.checkpoint, '--work-dir', path.parent, '--cache', cache)
    shutil.rmtree(cache, ignore_errors=True)


def column(plan: SweepPlan, averages: Sequence[dict], model: str, dataset: str, calibrator: str, metric: str) -> float:
    """Clean value of a metric on a dataset, or its mean over corruptions where the plan corrupts the dataset."""
    level = 'overall' if plan.corruptions_of(dataset) else 'clean'
    parts = [entry for entry in averages
             if (entry['model'], entry['dataset'], entry['calibrator'], entry['metric']) == (model, dataset, calibrator, metric)
             and entry['head'] in ('', HEAD) and entry['level'] == level]
    return parts[0]['value'] if parts else math.nan


def model_section(plan: SweepPlan, model: str, value: Callable[..., float]) -> str:
    """Tables of one model: a row per calibrator, a column per dataset and metric."""
    datasets = [dataset for name, dataset in plan.groups() if name == model]
    titles = ['logits', *(f'{dataset}: {title}' for dataset in datasets for title, _ in METRICS.values())]
    rows = []
    for calibrator in (NO_CALIBRATOR, *plan.models[model].calibrators):
        entries = [number(value(model, dataset, calibrator, metric), digits) for dataset in datasets
                   for metric, (_, digits) in METRICS.items()]
        rows.append(['of the base model' if calibrator == NO_CALIBRATOR else calibrator, *entries])
    kept = [index for index in range(len(titles)) if any(row[index] for row in rows)]
    return f'### {model}\n\n' + table([titles[index] for index in kept], [[row[index] for index in kept] for row in rows])


def change_section(plan: SweepPlan, value: Callable[..., float], datasets: Iterable[str]) -> str:
    """Mean change over the models that each calibrator brings, by dataset."""
    calibrators = list(dict.fromkeys(name for entry in plan.models.values() for name in entry.calibrators))
    rows = []
    for dataset in datasets:
        for calibrator in calibrators:
            changes = []
            for metric, (_, digits) in METRICS.items():
                pairs = [value(model, dataset, calibrator, metric) - value(model, dataset, NO_CALIBRATOR, metric)
                         for model in plan.models if calibrator in plan.models[model].calibrators]
                known = [pair for pair in pairs if not math.isnan(pair)]
                changes.append(f'{np.mean(known):+.{digits}f}' if known else '')
            if any(changes):
                rows.append([dataset, calibrator, *changes])
    return table(['dataset', 'calibrator', *(title for title, _ in METRICS.values())], rows)


INTRODUCTION = """# Reliability under shift

Made by `python tools/make_reliability.py`: it fits what is missing, measures what is missing, and writes this page up to
"Reading the tables". ECE (15 bins, pooled pixels, a fraction), PRR (prediction rejection ratio: how well MSP ranks mistakes), OOD
AUROC (how well an image's mean MSP tells shifted images from CamVid's) and mIoU, before and after each calibrator. Calibrators are
fitted on {calibration} images of CamVid test, in blocks of 20 frames; the other blocks are measured. {measured}
Columns of `camvid_c` (and `camvid_c_as_cityscapes`) are means over {corruptions} corruptions of Cityscapes-C ({names}) at severities {severities}, noise up to
3, as published. IDD-lite has seven classes: the probabilities of the model's classes that make up one of them are added. One
seed.
"""


def page(plan: SweepPlan, work_dir: Path, picture: str) -> str:
    """The generated part of the page."""
    rows = sweep_rows(plan, work_dir)
    averages = average_rows(plan, rows)
    counts = {row.dataset: row for row in rows}

    def value(*where: str) -> float:
        return column(plan, averages, *where)

    datasets = [name for name in plan.datasets if name in counts]
    images = images_of(plan, work_dir)
    measured = 'Measured: ' + ', '.join(f'{images[name]} images of `{name}`' for name in datasets) + '.'
    corruptions = list(dict.fromkeys(row.corruption.replace('_', ' ') for row in rows if row.corruption != CLEAN))
    introduction = INTRODUCTION.format(calibration=calibration_images(plan), measured=measured, corruptions=len(corruptions),
                                       names=', '.join(corruptions),
                                       severities=', '.join(map(str, plan.severities)))
    sections = [model_section(plan, model, value) for model in plan.models if any(row.model == model for row in rows)]
    return '\n'.join([
        introduction, f'![ECE by severity]({picture})\n', '## Before and after\n', *sections,
        '## What improves what\n\nMean change over the models; ECE improves where it falls, the others where they rise.\n',
        change_section(plan, value, datasets)])


def calibration_images(plan: SweepPlan) -> str:
    """How many images fitted the calibrators."""
    paths = [Path(part.checkpoint) for entry in plan.models.values() for part in entry.calibrators.values()]
    counts = {read_checkpoint(path)['meta']['fitted_on']['images'] for path in paths if path.is_file()}
    return ' or '.join(map(str, sorted(counts)))


def images_of(plan: SweepPlan, work_dir: Path) -> dict[str, int]:
    """Images measured of each dataset."""
    found = {}
    for model, dataset in plan.groups():
        path = next(iter(plan.cells(model, dataset))).path(work_dir)
        if path.is_file():
            found[dataset] = json.loads(path.read_text(encoding='utf-8'))['images']
    return found


def draw(plan: SweepPlan, work_dir: Path, path: Path) -> None:
    """Draw ECE by severity for the corrupted dataset."""
    rows = sweep_rows(plan, work_dir)
    corrupted = {row.dataset for row in rows if row.group}
    rows = [row for row in rows if row.metric == 'ECE' and row.head == '' and row.dataset in corrupted]
    plot_severities(severity_lines(rows, plan.severities), plan.severities, 'ECE', path, 'ECE by severity')


def main() -> None:
    """Run the tool."""
    args = parse_args()
    plan = SweepPlan.from_file(args.plan)
    if not args.tables_only:
        for name in args.only or plan.models:
            fit_missing(plan.models[name], args.work_dir)
        run_tool('sweep', args.plan, '--work-dir', args.work_dir, *(['--models', *args.only] if args.only else []))
    picture = args.out.parent / 'pictures/reliability.png'
    draw(plan, args.work_dir, picture)
    kept = args.out.read_text(encoding='utf-8').partition(READING) if args.out.is_file() else ('', READING, '\n')
    written = page(plan, args.work_dir, f'{picture.parent.name}/{picture.name}')
    args.out.write_text(f'{written}\n{READING}{kept[2] if kept[1] else chr(10)}', encoding='utf-8')


if __name__ == '__main__':
    run_command(main)

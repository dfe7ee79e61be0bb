"""Train the lab's U-Net on CamVid with three losses, calibrate each and their ensemble, and write their section
of docs/results.md.

What an earlier run finished is kept, and a training that was stopped goes on. With --iterations 0 nothing is trained, and
losses that were never trained are left out.
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import mmseg_uncertainty  # noqa: F401  (connects the host before configs are read)
from mmengine.config import Config

from mmseg_uncertainty.apis.results_file import versions
from mmseg_uncertainty.apis.results_table import page_sections
from mmseg_uncertainty.apis.sweep_tables import table
from mmseg_uncertainty.engine.checkpoints import read_checkpoint, state_dict_of

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'local_configs/unet'
LOSSES = {
    'ce': 'cross-entropy',
    'weighted': 'cross-entropy, weighted by 1/√frequency',
    'focal': 'softmax focal, γ = 2',
}
TITLE = 'U-Net with three losses, trained on CamVid'
ENSEMBLE = 'ensemble'
TITLES = LOSSES | {ENSEMBLE: 'ensemble of the three'}
COLUMNS = {
    'mIoU': ('mIoU[pooled]', 1), 'macro F1': ('macroF1[pooled]', 1), 'ECE before': ('uncalibrated/ECE[pooled]', 100),
    'ECE after': ('ECE[pooled]', 100), 'NLL before': ('uncalibrated/NLL[pooled]', 1), 'NLL after': ('NLL[pooled]', 1),
}
SCORES = ('msp', 'entropy', 'mutual_information')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs/unet', metavar='DIR',
                        help='where fits and measurements are kept')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/results.md', metavar='FILE', help='page to write')
    parser.add_argument('--iterations', type=int, metavar='N', help='length of each training; default: that of the config')
    return parser.parse_args()


def run_tool(name: str, *arguments: str | Path) -> None:
    """Run a tool of this project and stop at its first failure."""
    subprocess.run([sys.executable, ROOT / f'tools/{name}.py', *map(str, arguments)], check=True)


def schedule(iterations: int) -> list[str]:
    """Options that stretch the schedule of the config to another length."""
    warm_up = max(iterations // 10, 1)
    options = {'train_cfg.max_iters': iterations, 'train_cfg.val_interval': max(iterations // 2, 1),
               'default_hooks.checkpoint.interval': max(iterations // 4, 1), 'param_scheduler.0.end': warm_up,
               'param_scheduler.1.begin': warm_up, 'param_scheduler.1.end': iterations}
    return ['--cfg-options', *(f'{key}={value}' for key, value in options.items())]


def trained(loss: str, folder: Path, iterations: int | None) -> Path | None:
    """The checkpoint of largest macro F1 on the validation sequence, or ``None`` where nothing was trained."""
    config = CONFIGS / f'unet_camvid_{loss}_BASE.py'
    wanted = Config.fromfile(config).max_iters if iterations is None else iterations
    if wanted and not (folder / f'iter_{wanted}.pth').is_file():
        run_tool('train', config, '--work-dir', folder, '--resume', *(schedule(iterations) if iterations else []))
    return max(folder.glob('best_*.pth'), key=lambda path: path.stat().st_mtime, default=None)


def measured(config: Path, folder: Path, members: Sequence[Path]) -> dict:
    """Numbers on CamVid's test images, and the temperature, of one checkpoint or an ensemble of several."""
    base, fitted, results = members[0], folder / 'temperature/calibrated.pth', folder / 'test.json'
    others = ['--cfg-options', f'model.members={[str(path) for path in members[1:]]}'] if members[1:] else []
    by_image = [f'test_evaluator.{index}.resample_by=image' for index in range(4)]
    if not fitted.is_file() or fitted.stat().st_mtime < base.stat().st_mtime:
        run_tool('train', config, '--load-from', base, '--work-dir', fitted.parent, *others)
    if not results.is_file() or results.stat().st_mtime < fitted.stat().st_mtime:
        run_tool('test', config, fitted, '--eval', 'mIoU', 'macroF1', 'ECE', 'IDM', '--out', results, '--work-dir',
                 fitted.parent, '--cfg-options', *by_image, *others[1:])
    state = state_dict_of(read_checkpoint(fitted))
    temperature = next(float(value) for key, value in state.items() if key.endswith('calibrator.temperature'))
    iterations = sum(read_checkpoint(path)['meta']['iter'] for path in members)
    return dict(json.loads(results.read_text(encoding='utf-8')), temperature=temperature, iterations=iterations)


def calibration_cells(name: str, run: dict) -> list[str]:
    """One row of the table of calibration."""
    values = []
    for key, factor in COLUMNS.values():
        value, low, high = (run['metrics'].get(key.replace('[', f'{side}[')) for side in ('', '_low', '_high'))
        shown = f'{factor * value:.3g}' if factor == 1 and value < 10 else f'{factor * value:.1f}'
        values.append(shown if low is None or 'NLL' in key else f'{shown} ({factor * low:.1f}–{factor * high:.1f})')
    return [TITLES[name], str(run['iterations']), *values, f'{run["temperature"]:.3f}']


def mistakes_cells(name: str, run: dict) -> list[str]:
    """One row of the table of mistakes."""
    cells = []
    for score in SCORES:
        values = [run['metrics'].get(f'{score}/IDM_{key}[pooled]') for key in ('AP', 'FPR95', 'AUROC')]
        cells.append('' if None in values else ' / '.join(f'{value:.1f}' for value in values))
    return [TITLES[name], *cells]


def section(runs: dict[str, dict]) -> str:
    """The section of these runs."""
    first = next(iter(runs.values()))
    model = Config.fromfile(CONFIGS / 'unet_camvid_ce_BASE.py')
    pipeline = model.train_dataloader.dataset.pipeline
    crop = next(step.crop_size for step in pipeline if step.type == 'RandomCrop')
    introduction = INTRODUCTION.format(
        title=TITLE,
        width=model.model.backbone.base_channels,
        scale='×'.join(map(str, model.scale)),
        crop='×'.join(map(str, crop[::-1])),
        batch=model.train_dataloader.batch_size,
        images=first['images'],
        torch=versions()['torch'])
    return (introduction + table(['loss', 'iterations', *COLUMNS, 'T'], [calibration_cells(*item) for item in runs.items()])
            + MISTAKES
            + table(['loss', *(score.replace('_', ' ') for score in SCORES)], [mistakes_cells(*item) for item in runs.items()]))


INTRODUCTION = """## {title}

The lab's U-Net at {width} channels (a quarter of its width, 2.2 million parameters), from random weights, on CamVid
train (367 images) scaled to {scale}: batches of {batch} crops of {crop}, bfloat16 on a CPU. These are short runs that
compare losses, not models: the full width at full size needs an accelerator. The checkpoint of largest macro F1 on the
validation sequence was kept, one temperature was fitted to that sequence by maximum likelihood, and all numbers are of
the {images} test images at 480×360, void pixels left out, one seed; in brackets 95 % bootstrap intervals over images,
which take the frames of its two sequences as independent and are too narrow for new ones.
mIoU, macro F1 and ECE (15 bins, *before* and *after* temperature T) in %, NLL in nats per pixel. Made by
`python tools/make_unet.py` (torch {torch}).

The ensemble averages the probabilities of the three (`EnsembleSegmentor`), with a temperature of its own.

"""
MISTAKES = """
Pixels whose class is wrong, found by scores after the temperature: AP / FPR95 / AUROC in %. Each model has its own mistakes,
so a worse model has the easier task in AP. Mutual information measures where the members disagree, and members of three losses
disagree on confidence everywhere: it needs members that differ in nothing but their start.

"""


def main() -> None:
    """Run the tool."""
    args = parse_args()
    runs, members = {}, []
    for loss in LOSSES:
        base = trained(loss, args.work_dir / loss, args.iterations)
        if base is not None:
            runs[loss] = measured(CONFIGS / 'unet_camvid_TS.py', args.work_dir / loss, [base])
            members.append(base)
    if not runs:
        sys.exit(f'{args.work_dir} holds no trained U-Net; leave out --iterations 0 to train one.')
    if len(members) > 1:
        runs[ENSEMBLE] = measured(CONFIGS / 'unet_camvid_ENSEMBLE.py', args.work_dir / ENSEMBLE, members)
    sections = page_sections(args.out) | {TITLE: section(runs)}
    introduction = args.out.read_text(encoding='utf-8').split('\n## ')[0] if args.out.is_file() else '# Results'
    args.out.write_text('\n'.join([introduction.rstrip() + '\n', *sections.values()]), encoding='utf-8')


if __name__ == '__main__':
    main()

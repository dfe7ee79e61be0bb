"""Repeats calibration over many splits of real images and measures whether the promises of prediction sets are kept."""
from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from conformal_sweep import Sweep, model_and_images, sweep
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmseg_uncertainty.apis import versions, write_json
from mmseg_uncertainty.functional.conformal_losses import image_loss
from mmseg_uncertainty.functional.conformal_splits import block_split, frame_blocks, random_split
from mmseg_uncertainty.functional.prediction_sets import SetFamily
from mmseg_uncertainty.functional.risk_control import RiskTarget
from mmseg_uncertainty.visualization.set_pictures import plot_risk_curves

SETTINGS = (('miscoverage', {}, 0.05), ('miscoverage', {}, 0.02), ('binary', dict(coverage=0.9), 0.2),
            ('binary', dict(coverage=0.9), 0.1), ('binary', dict(coverage=0.95), 0.1))
BLOCK = 20
GRID = np.geomspace(1e-7, 1, 2000)


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--config', default='local_configs/cgnet/cgnet_camvid_CRC.py')
    parser.add_argument('--checkpoint', default='data/weights/cgnet_camvid11_mmseg.pth')
    parser.add_argument('--curves', type=Path, default=Path('work_dirs/conformal'), help='folder that keeps the sweeps')
    parser.add_argument('--shifts', nargs='*', default=['fog:3', 'snow:2'], help='corruptions, each with its severity')
    parser.add_argument('--splits', type=int, default=2000)
    parser.add_argument('--quick', action='store_true', help='24 images, 200 splits, no shift')
    parser.add_argument('--plot-dir', type=Path, help='draw the pictures of docs/guarantees.md here')
    parser.add_argument('--json', type=Path, metavar='FILE')
    return parser.parse_args()


def cached_sweep(args: argparse.Namespace, shift: str | None = None) -> Sweep:
    """The sweep over clean or corrupted images, from the folder if it is there."""
    path = args.curves / f'sweep_{(shift or "clean").replace(":", "_")}{"_quick" if args.quick else ""}.npz'
    if path.is_file():
        return Sweep.load(path)
    corruption, severity = shift.split(':') if shift else (None, 0)
    swept = sweep(*model_and_images(args.config, args.checkpoint, corruption, int(severity)), SetFamily('lac'),
                  24 if args.quick else None)
    path.parent.mkdir(parents=True, exist_ok=True)
    swept.save(path)
    return swept


def masks(kind: str, sequences: np.ndarray, splits: int) -> Iterator[np.ndarray]:
    """Calibration images of each split: by single image, by block of neighbouring frames, or by sequence."""
    half, blocks = len(sequences) // 2, frame_blocks(sequences.tolist(), BLOCK)
    if kind == 'sequence':
        yield from (sequences == name for name in np.unique(sequences))
        return
    for seed in range(splits):
        chosen, _ = random_split(len(sequences), half, seed) if kind == 'image' else block_split(blocks, half, seed)
        yield np.isin(np.arange(len(sequences)), chosen)


def thresholds_of(losses: np.ndarray, calibration: np.ndarray, target: RiskTarget) -> np.ndarray:
    """Position on the grid that each split chooses, shape (S,); the smallest threshold where none is feasible."""
    risks = calibration @ losses / calibration.sum(axis=1, keepdims=True)
    bounds = np.array([target.largest_risk(int(count)) for count in calibration.sum(axis=1)])
    return np.maximum((risks <= np.nan_to_num(bounds, nan=-1)[:, None] + 1e-12).sum(axis=1) - 1, 0)


def measure(tested: np.ndarray, chosen: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Risk of each split on its test images, shape (S,)."""
    return (images * tested[:, chosen].T).sum(axis=1) / images.sum(axis=1)


def row_of(name: str, risks: np.ndarray, target: RiskTarget, protocol: str) -> dict:
    """One row of the results."""
    error = risks.std(ddof=1) / np.sqrt(len(risks)) if len(risks) > 1 else float('nan')
    return dict(name=name, ours=risks.mean(), peer=target.alpha, ratio=risks.mean() / target.alpha, unit='risk',
                standard_error=error, violated=(risks > target.alpha).mean(), splits=len(risks), protocol=protocol)


def study(args: argparse.Namespace) -> tuple[list[dict], dict]:
    """All rows, and the risks of all splits by picture."""
    clean = cached_sweep(args)
    shifted = {} if args.quick else {shift: cached_sweep(args, shift) for shift in args.shifts}
    splits = 200 if args.quick else args.splits
    rows, drawn = [], {}
    draws = np.random.default_rng(0).multinomial(len(clean.sequences) // 2, np.full(len(clean.sequences),
                                                 1 / len(clean.sequences)), size=splits)
    for loss_name, options, alpha in SETTINGS:
        label = f'{loss_name}{"".join(f" tau={value}" for value in options.values())}, alpha={alpha}'
        losses = image_loss(clean.table, loss_name, **options).at(GRID)
        for kind in ('image', 'block', 'sequence'):
            calibration = np.stack(list(masks(kind, clean.sequences, splits))).astype(float)
            target = RiskTarget(alpha)
            chosen = thresholds_of(losses, calibration, target)
            risks = measure(losses, chosen, 1 - calibration)
            rows.append(row_of(f'CRC, {label}, split by {kind}', risks, target, 'mean over splits of the test risk'))
            drawn[label, kind] = risks
            for shift, swept in shifted.items() if kind == 'image' else ():
                other = image_loss(swept.table, loss_name, **options).at(GRID)
                risks = measure(other, chosen, 1 - calibration)
                rows.append(row_of(f'CRC, {label}, tested in {shift}', risks, target, 'calibrated on clean images'))
                drawn[label, shift] = risks
        for control in ('rcps', 'ltt'):
            target = RiskTarget(alpha, control, 0.1)
            risks = measure(losses, thresholds_of(losses, draws, target), np.ones_like(draws))
            rows.append(row_of(f'{control.upper()}, {label}, delta=0.1', risks, target,
                               'images drawn with replacement, so that the risk of the population is known'))
    return rows, dict(risks=drawn, clean=clean)


def draw(drawn: dict, folder: Path) -> None:
    """Draw the risks of all splits, and risk and size against lambda."""
    labels = list(dict.fromkeys(label for label, _ in drawn['risks']))
    figure = Figure(figsize=(4 * len(labels), 4), layout='constrained')
    FigureCanvasAgg(figure)
    for axes, label in zip(figure.subplots(1, len(labels), squeeze=False)[0], labels):
        kinds = [kind for name, kind in drawn['risks'] if name == label]
        axes.violinplot([drawn['risks'][label, kind] for kind in kinds], showmeans=True, widths=0.8)
        axes.axhline(float(label.rsplit('=')[-1]), color='black', linestyle=':')
        axes.set(title=label, ylabel='test risk', ylim=(0, None), xticks=range(1, len(kinds) + 1))
        axes.set_xticklabels(kinds, rotation=45)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / 'guarantees.png', dpi=80)
    clean = drawn['clean']
    losses = {'miscoverage': image_loss(clean.table).at(GRID).mean(axis=0),
              'binary, tau = 0.9': image_loss(clean.table, 'binary', coverage=0.9).at(GRID).mean(axis=0)}
    plot_risk_curves(GRID, losses, clean.mean_sizes(GRID).mean(axis=0), folder / 'risk_and_size.png',
                     'CGNet, CamVid test: risk and size of LAC sets')


def main() -> None:
    """Run the tool."""
    args = parse_args()
    rows, drawn = study(args)
    for row in rows:
        print(f'{row["name"]}: {row["ours"]:.4f} +- {row["standard_error"]:.4f} (alpha {row["peer"]}), '
              f'violated in {row["violated"]:.3f} of {row["splits"]}')
    if args.plot_dir:
        draw(drawn, args.plot_dir)
    if args.json:
        write_json(args.json, dict(machine=platform.processor() or platform.machine(), versions=versions(), rows=rows))


if __name__ == '__main__':
    main()

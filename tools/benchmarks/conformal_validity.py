"""Repeats calibration over many splits of real images and measures whether the promises of prediction sets are kept."""
from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from conformal_sweep import DATA, Sweep, model_and_images, sweep
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmseg_uncertainty.apis import versions, write_json
from mmseg_uncertainty.functional.conformal_losses import image_loss
from mmseg_uncertainty.functional.conformal_splits import block_split, frame_blocks, random_split
from mmseg_uncertainty.functional.prediction_sets import SetFamily
from mmseg_uncertainty.functional.risk_control import ROUNDING, RiskTarget, learn_then_test
from mmseg_uncertainty.visualization.set_pictures import plot_risk_curves

INVERSE_FREQUENCY = 'inverse frequency'
SETTINGS = (
    ('miscoverage', 0.05, {}),
    ('miscoverage', 0.02, {}),
    ('rare classes weighted', 0.1, dict(class_weights=INVERSE_FREQUENCY)),
    ('missed cars', 0.05, dict(loss='class_miss', label=8)),
    ('binary, tau 0.9', 0.2, dict(loss='binary', coverage=0.9)),
    ('binary, tau 0.9', 0.1, dict(loss='binary', coverage=0.9)),
    ('binary, tau 0.95', 0.1, dict(loss='binary', coverage=0.95)),
    ('plain binary', 0.2, dict(loss='binary', coverage=1.0)),
)
UNITS = ('image', 'block', 'sequence')
BLOCK = 20
DELTA = 0.1
GRID = np.geomspace(1e-7, 1, 2000)


@dataclass(frozen=True)
class Losses:
    """Losses of all images at the thresholds :data:`GRID`, 0 where undefined; shapes (n, Q) and (n,)."""

    values: np.ndarray
    defined: np.ndarray

    @classmethod
    def of(cls, swept: Sweep, options: dict) -> Losses:
        """Losses of a sweep."""
        if options.get('class_weights') == INVERSE_FREQUENCY:
            options = dict(options, class_weights=1 / np.maximum(swept.table.pixels.sum(axis=0), 1))
        loss = image_loss(swept.table, **options)
        return cls(np.nan_to_num(loss.at(GRID)), loss.defined.astype(float))

    def risks(self, images: np.ndarray) -> np.ndarray:
        """Mean loss at every threshold of each row of image weights, shape (S, Q)."""
        return images @ self.values / np.maximum(images @ self.defined, 1)[:, None]

    def chosen(self, images: np.ndarray, target: RiskTarget) -> np.ndarray:
        """Position on the grid that calibrating with each row chooses, shape (S,); 0 where none is feasible."""
        counts, risks = (images @ self.defined).astype(int), self.risks(images)
        if target.control == 'ltt':
            accepted = [learn_then_test(risk, count, target.alpha, target.delta) for risk, count in zip(risks, counts)]
            return np.maximum(np.sum(accepted, axis=1) - 1, 0)
        bounds = np.array([target.largest_risk(count) for count in counts])
        return np.maximum((risks <= np.nan_to_num(bounds, nan=-1)[:, None] + ROUNDING).sum(axis=1) - 1, 0)

    def tested(self, images: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Mean loss of each row at its own threshold, shape (S,)."""
        return (images * self.values[:, chosen].T).sum(axis=1) / (images @ self.defined)


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--config', default='local_configs/cgnet/cgnet_camvid_CRC.py', metavar='CONFIG',
                        help='config of the model; default: %(default)s')
    parser.add_argument('--checkpoint', default=f'{DATA}/weights/cgnet_camvid11_mmseg.pth', metavar='FILE',
                        help='of its base model; default: %(default)s')
    parser.add_argument('--curves', type=Path, default=Path('work_dirs/conformal'), help='folder that keeps the sweeps')
    parser.add_argument('--shifts', nargs='*', default=['fog:3', 'snow:2'], help='corruptions, each with its severity')
    parser.add_argument('--splits', type=int, default=1000, metavar='N', help='random splits; default: %(default)s')
    parser.add_argument('--quick', action='store_true', help='24 images, 200 splits, no shift')
    parser.add_argument('--plot-dir', type=Path, help='draw the pictures of docs/guarantees.md here')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the numbers here')
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


def masks(unit: str, sequences: np.ndarray, splits: int) -> Iterator[np.ndarray]:
    """Calibration images of each split: by single image, by block of neighbouring frames, or by sequence."""
    half, blocks = len(sequences) // 2, frame_blocks(sequences.tolist(), BLOCK)
    if unit == 'sequence':
        yield from (sequences == name for name in np.unique(sequences))
        return
    for seed in range(splits):
        chosen, _ = random_split(len(sequences), half, seed) if unit == 'image' else block_split(blocks, half, seed)
        yield np.isin(np.arange(len(sequences)), chosen)


def row_of(loss: str, kind: str, risks: np.ndarray, target: RiskTarget, protocol: str) -> dict:
    """One row of the results."""
    error = risks.std(ddof=1) / np.sqrt(len(risks)) if len(risks) > 1 else float('nan')
    return dict(name=f'{target.control.upper()}, {loss}, {kind}', ours=risks.mean(), peer=target.alpha, unit='risk',
                ratio=risks.mean() / target.alpha, standard_error=error, violated=(risks > target.alpha).mean(),
                splits=len(risks), protocol=protocol)


def study(args: argparse.Namespace, clean: Sweep) -> tuple[list[dict], dict]:
    """All rows, and the risks of all splits by setting and kind."""
    shifted = {} if args.quick else {shift: cached_sweep(args, shift) for shift in args.shifts}
    splits, num_images = 200 if args.quick else args.splits, len(clean.sequences)
    by_unit = {unit: np.stack(list(masks(unit, clean.sequences, splits))).astype(float) for unit in UNITS}
    draws = np.random.default_rng(0).multinomial(num_images // 2, np.full(num_images, 1 / num_images), size=splits)
    rows, drawn = [], {}
    for name, alpha, options in SETTINGS:
        losses, target, setting = Losses.of(clean, options), RiskTarget(alpha), (name, alpha)
        for unit, calibration in by_unit.items():
            chosen = losses.chosen(calibration, target)
            drawn[setting, unit] = losses.tested(1 - calibration, chosen)
            rows.append(row_of(name, f'split by {unit}', drawn[setting, unit], target, 'risk on the other half'))
            for shift, swept in shifted.items() if unit == 'image' else ():
                drawn[setting, shift] = Losses.of(swept, options).tested(1 - calibration, chosen)
                rows.append(row_of(name, f'tested in {shift}', drawn[setting, shift], target,
                                   'calibrated on clean images'))
        for control in ('rcps', 'ltt'):
            target = RiskTarget(alpha, control, DELTA)
            risks = losses.tested(np.ones_like(draws), losses.chosen(draws, target))
            rows.append(row_of(name, f'delta={DELTA}', risks, target,
                               'images drawn with replacement, so that the risk of the population is known'))
    return rows, drawn


def draw(drawn: dict, clean: Sweep, folder: Path) -> None:
    """Draw the risks of all splits, and risk and size against lambda."""
    settings = list(dict.fromkeys(setting for setting, _ in drawn))
    columns = -(-len(settings) // 2)
    figure = Figure(figsize=(3.2 * columns, 6.4), layout='constrained')
    FigureCanvasAgg(figure)
    for axes, (name, alpha) in zip(figure.subplots(2, columns, squeeze=False).flat, settings):
        kinds = [kind for setting, kind in drawn if setting == (name, alpha)]
        axes.violinplot([drawn[(name, alpha), kind] for kind in kinds], showmeans=True, widths=0.8)
        axes.axhline(alpha, color='black', linestyle=':')
        axes.set(title=f'{name}, alpha {alpha}', ylabel='test risk', ylim=(0, None), xticks=range(1, len(kinds) + 1))
        axes.set_xticklabels(kinds, rotation=45)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / 'guarantees.png', dpi=80)
    losses = {name: Losses.of(clean, options) for name, _, options in SETTINGS}
    plot_risk_curves(GRID, {name: loss.risks(np.ones((1, len(loss.defined))))[0] for name, loss in losses.items()},
                     clean.mean_sizes(GRID).mean(axis=0), folder / 'risk_and_size.png',
                     f'{len(clean.sequences)} images: risk and size of LAC sets')


def main() -> None:
    """Run the tool."""
    args = parse_args()
    clean = cached_sweep(args)
    rows, drawn = study(args, clean)
    print(f'{len(clean.sequences)} images, thresholds on a grid of {len(GRID)}')
    for row in rows:
        print(f'{row["name"]}: {row["ours"]:.4f} +- {row["standard_error"]:.4f} (alpha {row["peer"]}), '
              f'violated in {row["violated"]:.3f} of {row["splits"]}')
    if args.plot_dir:
        draw(drawn, clean, args.plot_dir)
    if args.json:
        write_json(args.json, dict(machine=platform.processor() or platform.machine(), versions=versions(), rows=rows))


if __name__ == '__main__':
    main()

"""Counts forward passes and seconds of exact calibration against the mesh search of the published code."""
from __future__ import annotations

import argparse
import itertools
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from conformal_sweep import DATA, Sweep, model_and_images, sweep

from mmseg_uncertainty.apis import versions, write_json
from mmseg_uncertainty.functional.conformal_losses import StepLoss, binary_loss, miscoverage_loss
from mmseg_uncertainty.functional.conformal_splits import random_split
from mmseg_uncertainty.functional.prediction_sets import SetFamily
from mmseg_uncertainty.functional.risk_control import ROUNDING, RiskTarget, control_levels, crc_bound

ALPHAS = (0.2, 0.1, 0.05, 0.02, 0.01)
TAUS = (0.95, 0.99)
SEEDS = range(101, 111)


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--config', default='local_configs/cgnet/cgnet_camvid_CRC.py', metavar='CONFIG',
                        help='config of the model; default: %(default)s')
    parser.add_argument('--checkpoint', default=f'{DATA}/weights/cgnet_camvid11_mmseg.pth', metavar='FILE',
                        help='of its base model; default: %(default)s')
    parser.add_argument('--curves', type=Path, help='keep the sweep in this .npz, or read it from there')
    parser.add_argument('--quick', action='store_true', help='16 images instead of all')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the numbers here')
    return parser.parse_args()


def mesh_search(risk: Callable[[np.ndarray], np.ndarray], bound: float, cells: int, tolerance: float) -> tuple[float, int]:
    """Search lambda by repeatedly refined meshes, as published; returns it and how many sweeps over the images it takes."""
    if risk(np.array([0.0]))[0] <= bound:
        return 0.0, 1
    low, high = 0.0, 1.0
    for sweeps in range(2, 32):  # noqa: B007
        mesh = np.linspace(low, high, cells + 1)
        below = np.flatnonzero(risk(mesh) <= bound)
        high = mesh[below[0]] if below.size else high
        low = mesh[below[0] - 1] if below.size and below[0] else mesh[-1] if not below.size else low
        if high - low < tolerance:
            break
    return high, sweeps


def losses_of(table, class_weights: np.ndarray) -> dict[str, StepLoss]:
    """The losses of the grid: binary at each tau, miscoverage, class-weighted miscoverage."""
    losses = {f'binary tau={tau}': binary_loss(table, tau) for tau in TAUS}
    return losses | dict(miscoverage=miscoverage_loss(table), weighted=miscoverage_loss(table, class_weights))


def solve_grid(swept: Sweep) -> tuple[dict, float, float]:
    """Every level, loss and split of the grid, with risk and set size; returns results, seconds and CPU seconds."""
    begin, begin_cpu = time.perf_counter(), time.process_time()
    counts = swept.table.pixels.sum(axis=0)
    losses = losses_of(swept.table, 1 / np.maximum(counts, 1))
    results = {}
    for (name, loss), seed in itertools.product(losses.items(), SEEDS):
        calibration, test = split(swept, seed)
        repeats = np.bincount(calibration, minlength=len(swept.sequences))
        chosen = control_levels(loss, [RiskTarget(alpha) for alpha in ALPHAS], repeats)
        thresholds = [result.threshold for result in chosen]
        risks = np.nanmean(loss.at(thresholds)[test], axis=0)
        sizes = swept.mean_sizes(np.array(thresholds))[test].mean(axis=0)
        results.update({(name, seed, alpha): values for alpha, *values in zip(ALPHAS, chosen, risks, sizes)})
    return results, time.perf_counter() - begin, time.process_time() - begin_cpu


def split(swept: Sweep, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The published random split in halves."""
    return random_split(len(swept.sequences), len(swept.sequences) // 2, seed)


def search_grid(swept: Sweep, results: dict) -> tuple[int, float, int]:
    """The same grid by mesh search; returns its image passes, the largest difference in lambda, and settings compared."""
    losses = losses_of(swept.table, 1 / np.maximum(swept.table.pixels.sum(axis=0), 1))
    passes, difference, compared = 0, 0.0, 0
    for name, seed, alpha in results:
        if not results[name, seed, alpha][0].feasible:
            continue
        calibration, _ = split(swept, seed)
        tolerance = 1e-9 if name.startswith('binary') else 1e-5
        if seed == SEEDS[0]:
            loss = losses[name]
            found, sweeps = mesh_search(lambda mesh: np.nanmean(loss.at(1 - mesh)[calibration], axis=0),
                                        crc_bound(len(calibration), alpha) + ROUNDING, 10, tolerance)
            difference = max(difference, abs(found - results[name, seed, alpha][0].level) - tolerance)
            compared += 1
            passes += sweeps * len(calibration) * len(SEEDS)
    return passes, max(difference, 0.0), compared


def main() -> None:
    """Run the tool."""
    args = parse_args()
    if args.curves and args.curves.is_file():
        swept = Sweep.load(args.curves)
    else:
        swept = sweep(*model_and_images(args.config, args.checkpoint), SetFamily('lac'), 16 if args.quick else None)
        if args.curves:
            swept.save(args.curves)
    images = len(swept.sequences)
    results, seconds, cpu_seconds = solve_grid(swept)
    passes, difference, compared = search_grid(swept, results)
    per_image = swept.seconds_model / images
    ours = swept.seconds_model + swept.seconds_table + seconds
    grid = f'{len(ALPHAS)} alpha x {len(SEEDS)} seeds x binary at {TAUS}, miscoverage, class-weighted'
    rows = [
        dict(name='forward passes', ours=images, peer=passes, ratio=passes / images, unit='images',
             protocol=f'{grid}; the peer is the published mesh search, its sweeps counted for seed {SEEDS[0]} and scaled'),
        dict(name='time', ours=ours, peer=passes * per_image, ratio=passes * per_image / ours, unit='s',
             protocol='ours measured whole; peer = its passes at the measured seconds of one, without its own set building'),
        dict(name='time after the sweep', ours=seconds, peer=None, ratio=None, unit='s', protocol=grid),
        dict(name='CPU time after the sweep', ours=cpu_seconds, peer=None, ratio=None, unit='s',
             protocol='of the same'),
        dict(name='tabulating', ours=swept.seconds_table / images, peer=per_image,
             ratio=per_image / (swept.seconds_table / images), unit='s per image', protocol='peer = the forward pass itself'),
        dict(name='lambda beyond search tolerance', ours=difference, peer=0.0, ratio=None, unit='lambda',
             protocol=f'largest over {compared} settings'),
    ]
    for row in rows:
        print(f'{row["name"]}: ours {row["ours"]:.6g} {row["unit"]}, peer {row["peer"]} ({row["protocol"]})')
    if args.json:
        write_json(args.json, dict(machine=platform.processor() or platform.machine(), versions=versions(), rows=rows))


if __name__ == '__main__':
    main()

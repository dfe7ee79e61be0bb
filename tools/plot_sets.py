"""Draw the prediction sets of a calibrated model on its test images, and what they were calibrated from.

Written are the size and the kind of the sets of the first images, the error of their coverage at every position over
all images, and, where the head has them, risk and set size against lambda and the groups of positions.
"""
from __future__ import annotations

import argparse
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
import numpy as np
import torch
from mmengine.config import DictAction
from mmengine.runner import Runner

from mmseg_uncertainty.apis import load_config, load_posthoc, run_command
from mmseg_uncertainty.apis.run_config import data_of
from mmseg_uncertainty.engine.checkpoints import load_checkpoints_safely
from mmseg_uncertainty.engine.matching_data import check_batch, check_classes
from mmseg_uncertainty.functional.coverage_error import coverage_error
from mmseg_uncertainty.functional.position_groups import cell_index
from mmseg_uncertainty.label_values import VOID
from mmseg_uncertainty.models.set_heads import ConformalRiskControlHead, KandinskyHead, SetHead
from mmseg_uncertainty.runtime.image_sources import short_part
from mmseg_uncertainty.runtime.output_files import check_output_folder
from mmseg_uncertainty.visualization.set_pictures import (plot_coverage_error, plot_groups, plot_risk_curves,
                                                          plot_set_sizes, plot_set_types)

GRID = (36, 48)
THRESHOLDS = np.geomspace(1e-6, 1, 400)


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG', help='a config with a set head')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='fills the model and its set head')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='write the pictures here')
    parser.add_argument('--pictures', type=int, default=3, metavar='N', help='images whose sets are drawn')
    parser.add_argument('--data-root', metavar='DIR', help='folder of the test data')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='change values of the config')
    return parser.parse_args()


def draw_calibration(head: SetHead, out: Path) -> list[Path]:
    """Draw risk and size against lambda, or the groups of positions; returns what was written."""
    if isinstance(head, KandinskyHead):
        return [plot_groups(head.position_groups().cpu().numpy(), out / 'groups.png')]
    if not isinstance(head, ConformalRiskControlHead) or not head.keep_curves:
        return []
    risks = {f'{loss.get("loss", "miscoverage")} at alpha = {target.alpha}': (loss, target)
             for loss, target in zip(head.losses, head.targets)}
    curves = {name: head.risk_curve(THRESHOLDS, **loss) for name, (loss, _) in risks.items()}
    chosen = dict(chosen=float(head.thresholds[0])) if not head.class_conditional else {}
    return [plot_risk_curves(THRESHOLDS, curves, head.size_curve(THRESHOLDS), out / 'risk_and_size.png',
                             'calibration images: risk and size of the sets', chosen)]


def main() -> None:
    """Run the tool."""
    args = parse_args()
    check_output_folder(args.out, '--out')
    load_checkpoints_safely()
    config = load_config(args.config)
    if args.data_root:
        data_of(config, 'test').data_root = args.data_root
    if args.cfg_options:
        config.merge_from_dict(args.cfg_options)
    model = load_posthoc(config, args.checkpoint)
    if model.set_head is None:
        raise ValueError(f'{args.config} has no set_head; draw a config that ends in _CRC or _KANDINSKY.')
    loader = Runner.build_dataloader(config.test_dataloader)
    check_classes(model, loader.dataset.metainfo, type(loader.dataset).__name__)
    written, drawn = draw_calibration(model.set_head, args.out), 0
    counts = np.zeros((2, GRID[0] * GRID[1]), dtype=np.int64)
    for batch in loader:
        check_batch(model, batch)
        with torch.no_grad():
            samples = model.test_step(batch)
        for sample in samples:
            membership, labels = sample.prediction_set.membership.cpu(), sample.gt_sem_seg.data[0].cpu().long()
            valid = labels != VOID
            covered = membership.gather(0, labels.masked_fill(~valid, 0)[None])[0] & valid
            cell = cell_index(labels.shape, GRID).flatten()
            for count, kept in zip(counts, (covered, valid)):
                count += np.bincount(cell[kept.numpy().flatten()], minlength=len(count))
            if drawn < args.pictures:
                drawn += 1
                sizes = membership.sum(dim=0).numpy()
                name = short_part(Path(sample.img_path).stem)
                written += [plot_set_sizes(sizes, len(membership), args.out / f'{name}_sizes.png'),
                            plot_set_types(sizes, len(membership), args.out / f'{name}_types.png')]
    level = model.set_head.nominal_coverage()
    error = coverage_error(counts[:1].reshape(1, *GRID), counts[1].reshape(GRID), np.array([level]))
    title = f'distance of the coverage from {level:.3g}'
    written.append(plot_coverage_error(error, args.out / 'coverage_error.png', title))
    for path in written:
        print(path)


if __name__ == '__main__':
    run_command(main)

"""Measure models on datasets under corruptions, go on where a run was stopped, and write tables and plots."""
from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
from mmengine.logging import print_log

from mmseg_uncertainty.apis import SweepPlan, measure_group, missing_jobs, plot_sweep, run_jobs, write_tables
from mmseg_uncertainty.apis.sweep_tables import failures
from mmseg_uncertainty.engine.checkpoints import load_checkpoints_safely
from mmseg_uncertainty.runtime.output_files import check_output_folder

from mmseg_uncertainty.runtime.near_names import did_you_mean


def group_command(args: argparse.Namespace, model: str, dataset: str) -> list[str]:
    """Command of the process that measures one group."""
    several = args.gpus > 1
    start = ['-m', 'torch.distributed.run', '--nproc-per-node', str(args.gpus), '--standalone'] if several else []
    launcher = 'pytorch' if several else 'none'
    return [sys.executable, *start, '-m', 'mmseg_uncertainty', 'sweep', args.plan, '--work-dir', str(args.work_dir), '--group',
            model, dataset, '--launcher', launcher]


def check_names(models: Sequence[str], plan: SweepPlan) -> None:
    """Check that ``--models`` names models of the plan.

    Raises:
        ValueError: One is unknown.
    """
    for name in models:
        if name not in plan.models:
            raise ValueError(f'--models {name}: unknown.{did_you_mean(name, plan.models)} The plan has {", ".join(plan.models)}.')


def check_group(model: str, dataset: str, plan: SweepPlan) -> None:
    """Check that ``--group`` names a model and a dataset that the plan measures it on.

    Raises:
        ValueError: The plan has no such group.
    """
    groups = [f'{first} {second}' for first, second in plan.groups()]
    if f'{model} {dataset}' not in groups:
        raise ValueError(f'--group {model} {dataset}: unknown.{did_you_mean(f"{model} {dataset}", groups)} The plan has '
                         f'{", ".join(groups)}.')


def execute(args: argparse.Namespace) -> None:
    """Run the command."""
    args.work_dir = (args.work_dir or Path('work_dirs/sweeps') / Path(args.plan).stem).resolve()
    check_output_folder(args.work_dir, '--work-dir')
    plan = SweepPlan.from_file(args.plan)
    check_names(args.models or (), plan)
    load_checkpoints_safely()
    if args.group:
        check_group(*args.group, plan)
        measure_group(plan, *args.group, args.work_dir, args.launcher)
        end_with(failures(plan, args.work_dir, *args.group))
        return
    if not args.tables_only:
        jobs = missing_jobs(plan, args.plan, args.work_dir, lambda *group: group_command(args, *group))
        jobs = [job for job in jobs if not args.models or job.model in args.models]
        run_jobs(jobs, args.work_dir, args.cluster, args.cluster_options)
    write_tables(plan, args.work_dir, Path(args.plan).stem)
    plot_sweep(plan, args.work_dir)
    print_log(f'Wrote {args.work_dir / "report.md"}, cells.csv, averages.csv and plots.')
    end_with(failures(plan, args.work_dir))


def end_with(failed: Mapping[str, str]) -> None:
    """End with the first cell that failed, if one did.

    Raises:
        ValueError: One did.
    """
    if failed:
        cell, reason = next(iter(failed.items()))
        raise ValueError(f'{len(failed)} cells failed, the first is {cell}: {reason}. All are listed in report.md; run the same '
                         'command again to try them once more.')

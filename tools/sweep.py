"""Measure models on datasets under corruptions, go on where a run was stopped, and write tables and plots."""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
from mmengine.config import DictAction
from mmengine.logging import print_log

from mmseg_uncertainty.apis import SweepPlan, measure_group, missing_jobs, plot_sweep, run_command, run_jobs, write_tables
from mmseg_uncertainty.apis.sweep_jobs import CLUSTERS
from mmseg_uncertainty.apis.sweep_tables import failures
from mmseg_uncertainty.engine.checkpoints import load_checkpoints_safely
from mmseg_uncertainty.runtime.output_files import check_output_folder


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('plan', help='YAML, JSON or Python file; see docs/shift.md')
    parser.add_argument('--work-dir', type=Path, help='where results go; default: work_dirs/sweeps/<name of the plan>')
    parser.add_argument('--models', nargs='+', metavar='NAME', help='measure these models; tables hold all there is')
    parser.add_argument('--gpus', type=int, default=1, metavar='N', help='processes per model and dataset, under torchrun')
    parser.add_argument('--cluster', choices=CLUSTERS, help='run as jobs through submitit; default: here, one after the other')
    parser.add_argument('--cluster-options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE',
                        help='parameters of submitit, such as slurm_partition=gpu timeout_min=240 gpus_per_node=4')
    parser.add_argument('--tables-only', action='store_true', help='measure nothing; write tables of what there is')
    parser.add_argument('--group', nargs=2, metavar=('MODEL', 'DATASET'), help='measure this group in this process, and no more')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='what started the processes of --group, where there are several; default: none')
    parser.add_argument('--debug', action='store_true', help='show the traceback of errors')
    return parser.parse_args()


def group_command(args: argparse.Namespace, model: str, dataset: str) -> list[str]:
    """Command of the process that measures one group."""
    several = args.gpus > 1
    start = ['-m', 'torch.distributed.run', '--nproc-per-node', str(args.gpus), '--standalone'] if several else []
    launcher = 'pytorch' if several else 'none'
    return [sys.executable, *start, str(Path(__file__).resolve()), args.plan, '--work-dir', str(args.work_dir), '--group', model,
            dataset, '--launcher', launcher]


def main() -> None:
    """Run the tool."""
    args = parse_args()
    args.work_dir = (args.work_dir or Path('work_dirs/sweeps') / Path(args.plan).stem).resolve()
    check_output_folder(args.work_dir, '--work-dir')
    plan = SweepPlan.from_file(args.plan)
    load_checkpoints_safely()
    if args.group:
        measure_group(plan, *args.group, args.work_dir, args.launcher)
        return
    if not args.tables_only:
        jobs = missing_jobs(plan, args.plan, args.work_dir, lambda *group: group_command(args, *group))
        jobs = [job for job in jobs if not args.models or job.model in args.models]
        run_jobs(jobs, args.work_dir, args.cluster, args.cluster_options)
    write_tables(plan, args.work_dir, Path(args.plan).stem)
    plot_sweep(plan, args.work_dir)
    failed = failures(plan, args.work_dir)
    print_log(f'Wrote {args.work_dir / "report.md"}, cells.csv, averages.csv and plots.')
    if failed:
        cell, reason = next(iter(failed.items()))
        raise ValueError(f'{len(failed)} cells failed, the first is {cell}: {reason}. All are listed in report.md; run the same '
                         'command again to try them once more.')


if __name__ == '__main__':
    run_command(main, 'Cells that were done are kept; run the same command again to measure the others.')

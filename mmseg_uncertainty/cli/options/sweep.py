"""Measure models on datasets under corruptions, go on where a run was stopped, and write tables and plots."""
from __future__ import annotations

import argparse
from pathlib import Path

from mmseg_uncertainty.runtime.option_types import whole_number

from ..names import CLUSTERS
from ..parsing import ConfigOptions, add_launcher

ON_INTERRUPT = 'Cells that were done are kept; run the same command again to measure the others.'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument('plan', metavar='PLAN', help='YAML, JSON or Python file; see docs/shift.md')
    parser.add_argument('--work-dir', type=Path, help='where results go; default: work_dirs/sweeps/<name of the plan>')
    parser.add_argument('--models', nargs='+', metavar='NAME', help='measure these models; tables hold all there is')
    parser.add_argument('--gpus', type=whole_number(), default=1, metavar='N',
                        help='processes per model and dataset, under torchrun')
    parser.add_argument('--cluster', choices=CLUSTERS, help='run as jobs through submitit; default: here, one after the other')
    parser.add_argument('--cluster-options', nargs='+', action=ConfigOptions, default={}, metavar='KEY=VALUE',
                        help='parameters of submitit, such as slurm_partition=gpu timeout_min=240 gpus_per_node=4')
    parser.add_argument('--tables-only', action='store_true', help='measure nothing; write tables of what there is')
    parser.add_argument('--group', nargs=2, metavar=('MODEL', 'DATASET'), help='measure this group in this process, and no more')
    add_launcher(parser, 'the processes of --group')

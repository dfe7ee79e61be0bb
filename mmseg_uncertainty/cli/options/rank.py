"""Order the images of a folder by how much a label of each would teach, and list the first for labelling tools."""
from __future__ import annotations

import argparse
from pathlib import Path

from mmseg_uncertainty.runtime.option_types import whole_number

from ..names import CLUSTERS, RAY
from ..parsing import ConfigOptions, add_model

ON_INTERRUPT = 'What was measured is kept in --out. Run the same command again to go on.'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument('inputs', metavar='FOLDER|PATTERN', help='images without labels; folders with all below them')
    add_model(parser)
    parser.add_argument('--top', type=whole_number(), default=100, metavar='N', help='how many images to list; default: %(default)s')
    parser.add_argument('--statistic', default='msp', metavar='HEAD|DECISION|set_size',
                        help='mean score of a head, share of the pixels that a decision flags, or mean size of the prediction sets; '
                             'default: %(default)s. All are measured in one pass, so another one needs no second')
    parser.add_argument('--diversity', type=whole_number(), default=1, metavar='D',
                        help='choose from the D x N first those that cover them (k centres on pooled features), so that near copies '
                             'are labelled once; default: 1, the first N')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/rank'), metavar='DIR',
                        help='write ranking.csv, chosen.txt, coco.json, cvat.xml and contact sheets here')
    parser.add_argument('--skip-broken', action='store_true', help='leave out and count files that cannot be read')
    parser.add_argument('--cluster', choices=(*CLUSTERS, RAY),
                        help='measure as an array of jobs through submitit, or on Ray; default: here')
    parser.add_argument('--workers', type=whole_number(), default=4, metavar='N',
                        help='jobs of the array, or processes of Ray; default: %(default)s')
    parser.add_argument('--cluster-options', nargs='+', action=ConfigOptions, default={}, metavar='KEY=VALUE',
                        help='parameters of submitit, such as slurm_partition=gpu timeout_min=240, or of Ray, such as num_gpus=1')
    parser.add_argument('--device', help='such as cpu or cuda:0; default: the best there is')

"""Watch a stream of frames without labels: one number per frame, bets against it being like calibration frames, and an alarm.

The exit status is 0 without an alarm, 3 with one.
"""
from __future__ import annotations

import argparse
from pathlib import Path

from mmseg_uncertainty.runtime.option_types import number_between, whole_number

ON_INTERRUPT = 'Numbers of the frames that were measured are kept in --out. Run the same command again to go on.'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument('inputs', metavar='FOLDER|PATTERN|VIDEO', help='the stream, in the order of its names')
    parser.add_argument('model', metavar='CONFIG|NAME', help='a config, or the name of a model (mmseg-uncertainty models)')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', nargs='?', help='of a config; a named model has its own')
    parser.add_argument('--calibration', required=True, metavar='FOLDER|PATTERN|VIDEO',
                        help='frames that the stream is compared with, which need no labels and were not trained on')
    parser.add_argument('--statistic', default='msp', metavar='HEAD|DECISION|set_size',
                        help='mean score of a head, share of the pixels that a decision flags, or mean size of the prediction sets; '
                             'default: %(default)s')
    parser.add_argument('--level', type=number_between(0, 1, open_ended=True), default=0.01, metavar='SHARE',
                        help='largest chance of ever raising a false alarm; default: %(default)s')
    parser.add_argument('--reference', choices=('online', 'fixed'), default='online',
                        help='let each tested frame join the calibration frames, or compare with these alone; default: %(default)s')
    parser.add_argument('--every', type=whole_number(), default=1, metavar='N',
                        help='test every N-th frame, of stream and calibration: neighbours are near copies')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/monitor'), metavar='DIR',
                        help='write frames.csv, summary.json, monitor.json (to go on in Python) and monitor.png here')
    parser.add_argument('--device', help='such as cpu or cuda:0; default: the best there is')

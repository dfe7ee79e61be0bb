"""Write the files that a benchmark asks for, and check them: SegmentMeIfYouCan, Fishyscapes, BRAVO.

Run the same command again to go on after a stop. With --labels, what was written is read back and measured.
"""
from __future__ import annotations

import argparse
from pathlib import Path

from mmseg_uncertainty.runtime.option_types import whole_number
from mmseg_uncertainty.runtime.tta_options import add_tta_options

from ..names import BENCHMARKS, RESCALE, one_of
from ..parsing import add_config_options

ON_INTERRUPT = 'Frames that were done are kept; run the same command again to go on.'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument('benchmark', type=one_of(BENCHMARKS), metavar='BENCHMARK', help=f'one of {", ".join(BENCHMARKS)}')
    parser.add_argument('model', metavar='CONFIG|NAME', nargs='?',
                        help='a config, also mmseg::FOLDER/CONFIG.py of the zoo, or the name of a model (mmseg-uncertainty models)')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', nargs='?', help='of a config; a named model has its own')
    parser.add_argument('--head', metavar='NAME',
                        help='the score to submit: a head of the config, or one without fit, such as msp and energy')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='write the submission here')
    parser.add_argument('--split', nargs='+', metavar='NAME',
                        help='what to answer, such as AnomalyTrack-all, ObstacleTrack-test, LostAndFound-test, or ACDC and '
                             'synrain of BRAVO; default: all subsets of BRAVO, else the images of --images')
    parser.add_argument('--images', type=Path, metavar='DIR',
                        help='images to answer; default: the folder of --split below --data-root')
    parser.add_argument('--data-root', type=Path, metavar='DIR', help='folder of all data; default: DATA_ROOT, or data')
    parser.add_argument('--method', metavar='NAME', help='name of the method in paths; default: that of the config and the head')
    parser.add_argument('--labels', type=Path, metavar='DIR',
                        help='labels of these images (0 known, 1 anomaly, 255 void), to measure what was written')
    parser.add_argument('--rescale', type=one_of(RESCALE), default='auto', metavar='NAME',
                        help='auto maps scores, in their order, to numbers that the format tells apart where it could not hold '
                             'them; never stores them as they are; always maps them; default: auto')
    parser.add_argument('--check', action='store_true', help='check what is in --out, and predict nothing')
    parser.add_argument('--max-pixels', type=whole_number(), metavar='N',
                        help='most pixels of one pass; larger inputs are cut in tiles')
    parser.add_argument('--device', help='such as cpu or cuda:0; default: the best there is')
    add_tta_options(parser)
    add_config_options(parser, 'model.calibrator.temperature=1.5')


def check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse calls that do not say what to submit."""
    if args.check:
        if args.benchmark == 'smiyc' and not args.method:
            parser.error('--check needs --method NAME, the folder below anomaly_p')
    elif not args.model or not args.head:
        parser.error('name a config (or a model) and --head NAME, or add --check to check what is in --out')
    if not args.split and not args.images and args.benchmark != 'bravo':
        parser.error('name what to answer by --split NAME, or give a folder of images by --images DIR')
    if args.images and args.data_root:
        parser.error('--data-root is where the images of a split are looked for, and --images names them; leave one out')
    if args.split and len(args.split) > 1 and args.benchmark != 'bravo':
        parser.error('--split: one at a time; only BRAVO is sent as one file of several subsets')
    if args.method and not args.method.replace('-', '_').replace('.', '_').isidentifier():
        parser.error(f'--method {args.method}: expected letters, digits, - and _, since it names a folder')


def runs_plain(args: argparse.Namespace) -> bool:
    """Whether the command needs no torch."""
    return args.check and not args.labels

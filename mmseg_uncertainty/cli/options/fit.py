"""Fit calibrators, prediction sets and scores to any trained model, on a folder of images and labels.

No config is written by hand: what is added brings its own schedule, and the config of the result is written beside it.
"""
from __future__ import annotations

import argparse
from pathlib import Path

from mmseg_uncertainty.runtime.option_types import number_between, whole_number

from ..names import RECIPES, one_of
from ..parsing import add_config_options, add_model

MOST_WORKERS = 256
ON_INTERRUPT = 'Steps that were done are kept; run the same command again to go on.'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_model(parser, 'weights of the base model; a named model has its own')
    parser.add_argument('--add', nargs='+', type=one_of(RECIPES), required=True, metavar='NAME',
                        help=f'what to fit: {", ".join(RECIPES)}')
    parser.add_argument('--images', type=Path, required=True, metavar='DIR', help='images that the base was not trained on')
    parser.add_argument('--labels', type=Path, required=True, metavar='DIR',
                        help='their labels: class indices from 0, 255 for void, matched by stem')
    parser.add_argument('--classes', type=Path, metavar='FILE',
                        help='names of the classes, one a line, or a list in JSON; default: those of checkpoint or config')
    parser.add_argument('--out', type=Path, default=Path('fitted.pth'), metavar='FILE.pth',
                        help='checkpoint to write, with its config beside it; default: %(default)s')
    parser.add_argument('--outliers', type=Path, metavar='DIR',
                        help='images whose texture is pasted as unknown objects while flows are fitted')
    parser.add_argument('--target', type=Path, metavar='DIR',
                        help='images from where the model will be used, without labels, which the sets of weighted follow')
    parser.add_argument('--iterations', type=whole_number(), metavar='N', help='of flows; default: as their schedule says')
    parser.add_argument('--alpha', type=number_between(0, 1, open_ended=True), metavar='SHARE',
                        help='risk that prediction sets promise, in (0, 1); default: 0.05, of kandinsky and margins 0.1')
    parser.add_argument('--calibrator-share', type=number_between(0, 1, open_ended=True), default=0.25,
                        metavar='SHARE',
                        help='share of the images for the calibrator alone, where there are prediction sets; default: %(default)s')
    parser.add_argument('--workers', type=whole_number(0, MOST_WORKERS), default=2, metavar='N',
                        help='processes that load images; default: %(default)s')
    parser.add_argument('--work-dir', type=Path, metavar='DIR', help='where steps and logs go; default: a folder of work_dirs/fit')
    add_config_options(parser, 'model.decode_head.num_classes=4')


def check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse values that make no sense."""
    if args.out.suffix != '.pth':
        parser.error(f'--out {args.out}: expected a file ending in .pth; its config gets the suffix .py')

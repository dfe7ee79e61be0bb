"""Measure a model and write one HTML file with table, curves, best and worst images and provenance."""
from __future__ import annotations

import argparse
from pathlib import Path

from .test import ON_INTERRUPT, add_measurement_options, check

__all__ = ['ON_INTERRUPT', 'add_options', 'check']


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_measurement_options(parser)
    parser.set_defaults(eval=['mIoU', 'IDM', 'ECE'], out=None)
    parser.add_argument('--out', dest='report', type=Path, default=Path('work_dirs/report'), metavar='DIR',
                        help='where report.html goes; default: %(default)s')

"""List the datasets that can be read: layout, link, licence, size, and what is missing below DATA_ROOT."""
from __future__ import annotations

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument('words', metavar='WORD', nargs='*', help='list datasets that have one of these words in their name')
    parser.add_argument('--data-root', type=Path, metavar='DIR', help='folder of all data; default: DATA_ROOT, or data')
    parser.add_argument('--short', action='store_true', help='one line each: what is there and what is missing')


def runs_plain(args: argparse.Namespace) -> bool:
    """Whether the command needs no torch."""
    return True

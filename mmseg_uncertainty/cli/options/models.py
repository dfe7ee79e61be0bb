"""List the models that go by a name: what they were trained on, and how well they segment."""
from __future__ import annotations

import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument('words', metavar='WORD', nargs='*', help='list models that have one of these words in their name')


def runs_plain(args: argparse.Namespace) -> bool:
    """Whether the command needs no torch."""
    return True

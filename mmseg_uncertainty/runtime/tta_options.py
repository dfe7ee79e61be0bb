"""Command-line options of test-time augmentation."""
from __future__ import annotations

import argparse

from .option_types import number_between

DEFAULT_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5)
# Smaller views leave a network nothing to see, larger ones fill the memory.
SCALE_RANGE = (0.1, 10.)


def add_tta_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--tta`` and ``--no-flip``."""
    parser.add_argument('--tta', nargs='*', type=number_between(*SCALE_RANGE), metavar='SCALE',
                        help='average classes and all scores over these scales of the input, each also mirrored; without '
                             f'numbers {" ".join(map(str, DEFAULT_SCALES))}')
    parser.add_argument('--no-flip', action='store_true', help='with --tta: no mirrored views')


def tta_of(args: argparse.Namespace) -> dict | None:
    """The ``tta`` of a :class:`~mmseg_uncertainty.models.PosthocSegmentor` that these options ask for.

    Raises:
        ValueError: ``--no-flip`` stands alone.
    """
    if args.tta is None:
        if args.no_flip:
            raise ValueError('--no-flip says how --tta shows images; add --tta.')
        return None
    return dict(scales=args.tta or list(DEFAULT_SCALES), flip=not args.no_flip)

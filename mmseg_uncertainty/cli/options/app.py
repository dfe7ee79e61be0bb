"""Look at thresholds, promises and uncertainty of a model in the browser."""
from __future__ import annotations

import argparse

from mmseg_uncertainty.runtime.option_types import whole_number

from ..parsing import add_model

# Trained on photos, which is what visitors upload.
DEFAULT_MODEL = 'segformer_b0_camvid'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_model(parser)
    model = next(action for action in parser._actions if action.dest == 'model')
    model.nargs, model.default, model.help = '?', DEFAULT_MODEL, f'{model.help}; default: %(default)s'
    parser.add_argument('--examples', metavar='DIR', help='example images; default: test images of the config')
    parser.add_argument('--num-examples', type=whole_number(0, 1000), default=6, metavar='N',
                        help='how many of them; default: %(default)s')
    parser.add_argument('--port', type=port, metavar='N', help='from 1 to 65535; default: the first free one from 7860')
    parser.add_argument('--device', help='such as cpu or cuda:0; default: the best there is')
    parser.add_argument('--share', action='store_true', help='open a public tunnel; anyone who has the address can use it')


def port(text: str) -> int:
    """Parse the number of a port."""
    if not (text.isdecimal() and 0 < int(text) < 2**16):
        raise argparse.ArgumentTypeError(f'{text!r} is no port, expected a number from 1 to 65535')
    return int(text)

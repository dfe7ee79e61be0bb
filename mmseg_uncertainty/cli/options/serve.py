"""Predict images that come by HTTP: labels, uncertainty, flags and sets as JSON, PNG or npz."""
from __future__ import annotations

import argparse

from mmseg_uncertainty.runtime.option_types import number_between, whole_number

from .infer import head_and_value

ON_INTERRUPT = 'Requests that had come were answered; clients may send the others again.'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument('model', metavar='CONFIG|NAME|MODEL.onnx',
                        help='a config, the name of a model (mmseg-uncertainty models), or a file of mmseg-uncertainty export, '
                             'which runs without torch')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', nargs='?', help='of a config; a named model has its own')
    parser.add_argument('--host', default='127.0.0.1', metavar='ADDRESS',
                        help='where to listen; default: %(default)s, which this machine alone can reach. Nobody is asked who '
                             'they are: put a proxy before any other')
    parser.add_argument('--port', type=whole_number(0, 2**16 - 1), default=8000, metavar='N',
                        help='0 takes a free one; default: %(default)s')
    parser.add_argument('--batch-size', type=whole_number(), metavar='N', default=4,
                        help='most images of one size in one pass, of those that wait; default: %(default)s')
    parser.add_argument('--max-waiting', type=whole_number(), metavar='N', default=64,
                        help='most requests at once, others are told to come back; default: %(default)s')
    parser.add_argument('--max-megabytes', type=number_between(0), metavar='MB', default=25.,
                        help='largest body of a request; default: %(default)g')
    parser.add_argument('--max-megapixels', type=number_between(0), metavar='MP', default=16.,
                        help='largest image; default: %(default)g')
    parser.add_argument('--timeout', type=number_between(0), metavar='SECONDS', default=30.,
                        help='how long a body may take to arrive; default: %(default)g')
    parser.add_argument('--threshold', nargs='+', type=head_and_value, default=[], metavar='HEAD=VALUE',
                        help='flag pixels whose uncertainty reaches this value')
    parser.add_argument('--device', help='such as cpu or cuda:0; default: the best there is')


def runs_plain(args: argparse.Namespace) -> bool:
    """Whether the model needs no torch."""
    return args.model.endswith('.onnx')

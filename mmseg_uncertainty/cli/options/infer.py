"""Predict classes and uncertainty for an image, a folder, a pattern or a video."""
from __future__ import annotations

import argparse
import math
from pathlib import Path

from mmseg_uncertainty.runtime.option_types import whole_number
from mmseg_uncertainty.runtime.result_kinds import CODECS, DEFAULT_KINDS, KINDS, MAP_TYPES
from mmseg_uncertainty.runtime.tta_options import add_tta_options

from ..names import one_of

ON_INTERRUPT = 'Results of the images that were done are in --out. Run the same command with --resume to go on.'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument('inputs', metavar='IMAGE|FOLDER|PATTERN|VIDEO', help='what to predict; folders with all below them')
    parser.add_argument('model', metavar='CONFIG|NAME|MODEL.onnx',
                        help='a config, the name of a model (mmseg-uncertainty models), or a file of mmseg-uncertainty export, '
                             'which runs without torch')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', nargs='?', help='of a config; a named model has its own')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/infer'), metavar='DIR',
                        help='write results here')
    parser.add_argument('--save', nargs='+', type=one_of(KINDS), default=DEFAULT_KINDS, metavar='KIND',
                        help=f'what to write: {"; ".join(f"{kind}: {words}" for kind, words in KINDS.items())}; default: '
                             f'{" ".join(DEFAULT_KINDS)}')
    parser.add_argument('--map-type', type=one_of(MAP_TYPES), default=MAP_TYPES[0], metavar='TYPE',
                        help=f'numbers of --save uncertainty: {", ".join(MAP_TYPES)}; default: %(default)s')
    parser.add_argument('--resume', action='store_true',
                        help='go on with an earlier run of the same model and options in --out, past the images that are done')
    parser.add_argument('--codec', type=one_of(CODECS), default='mpeg4', metavar='NAME',
                        help=f'format of annotated videos: {"; ".join(f"{name}: {words}" for name, words in CODECS.items())}; '
                             'default: %(default)s')
    parser.add_argument('--threshold', nargs='+', type=head_and_value, default=[], metavar='HEAD=VALUE',
                        help='flag pixels whose uncertainty reaches this value')
    parser.add_argument('--every', type=whole_number(), default=1, metavar='N', help='predict every N-th frame of videos')
    parser.add_argument('--batch-size', type=whole_number(), metavar='N', default=1, help='most images of one size in one pass')
    parser.add_argument('--max-pixels', type=whole_number(), metavar='N',
                        help='most pixels of one pass; larger inputs are cut in tiles')
    add_tta_options(parser)
    parser.add_argument('--device', help='such as cpu or cuda:0; default: the best there is')
    parser.add_argument('--skip-broken', action='store_true', help='leave out and report files that cannot be read')


def head_and_value(text: str) -> tuple[str, float]:
    """Parse ``HEAD=VALUE``."""
    head, _, value = text.rpartition('=')
    try:
        threshold = float(value if head else '')
    except ValueError:
        threshold = math.nan
    if math.isnan(threshold):
        raise argparse.ArgumentTypeError(f'{text!r} is no HEAD=VALUE, such as {head or text or "entropy"}=1.2')
    return head, threshold


def runs_plain(args: argparse.Namespace) -> bool:
    """Whether the model needs no torch."""
    return args.model.endswith('.onnx')

"""Export a model with its uncertainty heads to ONNX or TorchScript, and show that an ONNX file computes the same."""
from __future__ import annotations

import argparse
from pathlib import Path

from mmseg_uncertainty.runtime.option_types import whole_number
from mmseg_uncertainty.runtime.tta_options import add_tta_options

from ..names import DTYPES, OPSET, SIZES, one_of
from ..parsing import add_model, size

SUFFIXES = ('.onnx', '.pt', '.pt2')
MOST_IMAGES = 32


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_model(parser)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/model.onnx'), metavar='FILE',
                        help='a file ending in .onnx, .pt (TorchScript, any size too) or .pt2 (torch.export, the first of '
                             '--sizes only)')
    parser.add_argument('--heads', nargs='+', metavar='NAME', help='uncertainty heads to export; default: all')
    parser.add_argument('--preprocess', action='store_true',
                        help='take uint8 RGB images (N, H, W, 3) and normalize inside')
    parser.add_argument('--probabilities', action='store_true', help='return class probabilities too')
    add_tta_options(parser)
    parser.add_argument('--dtype', type=one_of(DTYPES), default='float32', metavar='NAME',
                        help='numbers of the base model: float32 (the same results), float16, or int8 (ONNX, with --images); '
                             'scores, flags and sets stay in float32; default: %(default)s')
    parser.add_argument('--images', type=Path, metavar='DIR',
                        help='with --dtype int8: images like those of operation, which decide how large activations are')
    parser.add_argument('--most-images', type=whole_number(1), metavar='N', default=MOST_IMAGES,
                        help='with --images: how many, evenly from the folder; default: %(default)s')
    parser.add_argument('--opset', type=whole_number(), metavar='N', default=OPSET,
                        help='version of the ONNX operators; default: %(default)s')
    parser.add_argument('--sizes', nargs='+', type=size, default=SIZES, metavar='HEIGHTxWIDTH',
                        help='sizes to compare at')


def check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse files whose format is not known, and types that they cannot hold."""
    if args.out.suffix not in SUFFIXES:
        parser.error(f'--out {args.out}: the suffix {args.out.suffix!r} tells no format; expected one of '
                     f'{", ".join(SUFFIXES)}')
    if args.dtype == 'int8' and args.out.suffix != '.onnx':
        parser.error(f'--dtype int8: {args.out} holds no integers; expected --out FILE.onnx')
    if (args.dtype == 'int8') != (args.images is not None):
        parser.error('--images DIR and --dtype int8 go together: activations of a base model in 8 bits need a range')

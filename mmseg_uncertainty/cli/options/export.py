"""Export a model with its uncertainty heads to ONNX or TorchScript, and show that an ONNX file computes the same."""
from __future__ import annotations

import argparse
from pathlib import Path

from mmseg_uncertainty.runtime.option_types import whole_number
from mmseg_uncertainty.runtime.tta_options import add_tta_options

from ..names import OPSET, SIZES
from ..parsing import add_model, size

SUFFIXES = ('.onnx', '.pt', '.pt2')


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
    parser.add_argument('--opset', type=whole_number(), metavar='N', default=OPSET,
                        help='version of the ONNX operators; default: %(default)s')
    parser.add_argument('--sizes', nargs='+', type=size, default=SIZES, metavar='HEIGHTxWIDTH',
                        help='sizes to compare at')


def check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse files whose format is not known."""
    if args.out.suffix not in SUFFIXES:
        parser.error(f'--out {args.out}: the suffix {args.out.suffix!r} tells no format; expected one of '
                     f'{", ".join(SUFFIXES)}')

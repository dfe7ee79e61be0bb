"""Export a model with its uncertainty heads to ONNX or TorchScript, and show that an ONNX file computes the same."""
from __future__ import annotations

import argparse
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)

from mmseg_uncertainty.apis import load_posthoc, run_command
from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.apis.model_index import resolve_model
from mmseg_uncertainty.apis.onnx_export import OPSET, SIZES, TOLERANCE, export_onnx, is_equal, parity
from mmseg_uncertainty.apis.torch_export import export_program, export_torchscript
from mmseg_uncertainty.runtime.output_files import check_output_file

SUFFIXES = ('.onnx', '.pt', '.pt2')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('model', metavar='CONFIG|NAME', help='a config, or the name of a model in model-index.yml')
    parser.add_argument('checkpoint', nargs='?', help='of a config; a named model has its own')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/model.onnx'), metavar='FILE',
                        help='a file ending in .onnx, .pt (TorchScript, any size too) or .pt2 (torch.export, the first of '
                             '--sizes only)')
    parser.add_argument('--heads', nargs='+', metavar='NAME', help='uncertainty heads to export; default: all')
    parser.add_argument('--preprocess', action='store_true',
                        help='take uint8 RGB images (N, H, W, 3) and normalize inside')
    parser.add_argument('--probabilities', action='store_true', help='return class probabilities too')
    parser.add_argument('--opset', type=int, default=OPSET, help='version of the ONNX operators; default: %(default)s')
    parser.add_argument('--sizes', nargs='+', type=size, default=SIZES, metavar='HEIGHTxWIDTH',
                        help='sizes to compare at')
    parser.add_argument('--debug', action='store_true', help='show the traceback of errors')
    args = parser.parse_args()
    if args.out.suffix not in SUFFIXES:
        parser.error(f'--out {args.out}: the suffix {args.out.suffix!r} tells no format; expected one of '
                     f'{", ".join(SUFFIXES)}')
    return args


def size(text: str) -> tuple[int, int]:
    """Parse ``HEIGHTxWIDTH``."""
    try:
        height, width = map(int, text.lower().split('x'))
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is no HEIGHTxWIDTH, such as 256x512') from None
    return height, width


def torch_file(segmentor: ExportedSegmentor, args: argparse.Namespace) -> Path:
    """Write the file of torch that the suffix asks for."""
    if args.out.suffix == '.pt':
        return export_torchscript(segmentor, args.out)
    return export_program(segmentor, args.out, 1, *args.sizes[0])


def main() -> None:
    """Run the tool."""
    args = parse_args()
    check_output_file(args.out, '--out')
    segmentor = ExportedSegmentor(
        load_posthoc(*resolve_model(args.model, args.checkpoint)), args.heads, args.preprocess, args.probabilities)
    if args.out.suffix in ('.pt', '.pt2'):
        print(f'{torch_file(segmentor, args)}: outputs {", ".join(segmentor.output_names)}')
        return
    export_onnx(segmentor, args.out, args.opset)
    print(f'{args.out}: {args.out.stat().st_size / 1e6:.1f} MB, outputs {", ".join(segmentor.output_names)}')
    rows = parity(segmentor, args.out, args.sizes)
    for row in rows:
        differences = ', '.join(f'{name} {value:.1e}' for name, value in row['difference'].items())
        print(f'batch {row["batch"]}, {row["size"][0]}x{row["size"][1]}: labels agree {100 * row["agreement"]:.4f} %; '
              f'largest differences: {differences}', flush=True)
    if not is_equal(rows):
        raise ValueError(f'{args.out} does not compute what the model does: labels must agree everywhere and outputs '
                         f'to {TOLERANCE}. Try another --opset, or leave out the head that differs with --heads.')


if __name__ == '__main__':
    run_command(main)

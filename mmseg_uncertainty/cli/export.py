"""Export a model with its uncertainty heads to ONNX or TorchScript, and show that an ONNX file computes the same."""
from __future__ import annotations

import argparse
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)

from mmseg_uncertainty.apis import load_posthoc
from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.apis.model_index import resolve_model
from mmseg_uncertainty.apis.onnx_export import TOLERANCE, export_onnx, is_equal, parity
from mmseg_uncertainty.apis.torch_export import export_program, export_torchscript
from mmseg_uncertainty.runtime.output_files import check_output_file


def torch_file(segmentor: ExportedSegmentor, args: argparse.Namespace) -> Path:
    """Write the file of torch that the suffix asks for."""
    if args.out.suffix == '.pt':
        return export_torchscript(segmentor, args.out)
    return export_program(segmentor, args.out, 1, *args.sizes[0])


def execute(args: argparse.Namespace) -> None:
    """Run the command."""
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

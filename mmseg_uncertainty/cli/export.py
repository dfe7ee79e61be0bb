"""Export a model with its uncertainty heads to ONNX or torch, and show that the file predicts the same."""
from __future__ import annotations

import argparse

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)

from mmseg_uncertainty.apis import UncertaintyInferencer, load_posthoc
from mmseg_uncertainty.apis.export_parity import (IMAGE_TOLERANCE, TOLERANCE, graph_parity, image_parity, is_equal,
                                                  predicts_the_same)
from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.apis.model_index import resolve_model
from mmseg_uncertainty.apis.onnx_export import export_onnx, import_exporter, onnx_runner
from mmseg_uncertainty.apis.torch_export import (export_program, export_torchscript, program_runner, torchscript_predictor,
                                                 torchscript_runner)
from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor
from mmseg_uncertainty.runtime.output_files import check_output_file


def write(segmentor: ExportedSegmentor, args: argparse.Namespace) -> list[dict]:
    """Write the file that the suffix asks for, and compare it with the function it was made of."""
    if args.out.suffix == '.onnx':
        import_exporter('onnxruntime')
        export_onnx(segmentor, args.out, args.opset)
        return graph_parity(segmentor, onnx_runner(args.out), args.sizes)
    if args.out.suffix == '.pt':
        export_torchscript(segmentor, args.out)
        return graph_parity(segmentor, torchscript_runner(args.out), args.sizes)
    export_program(segmentor, args.out, 1, *args.sizes[0])
    return graph_parity(segmentor, program_runner(args.out), args.sizes[:1], [1])


def compare_images(segmentor: ExportedSegmentor, model: tuple, args: argparse.Namespace) -> list[dict]:
    """Compare predictions of images with those of the model; a program of one size takes no images of others."""
    if args.out.suffix == '.pt2':
        return []
    predict = OnnxSegmentor(args.out).predict if args.out.suffix == '.onnx' else torchscript_predictor(args.out)
    inferencer = UncertaintyInferencer(*model, device='cpu', show_progress=False)
    return image_parity(inferencer, predict, args.sizes, segmentor.heads)


def show(row: dict) -> None:
    """Print a comparison."""
    kind = f'graph, batch {row["batch"]}' if 'batch' in row else 'image through the test pipeline'
    differences = ', '.join(f'{name} {value:.1e}' for name, value in row['difference'].items()) or 'none to compare'
    print(f'{kind}, {row["size"][0]}x{row["size"][1]}: labels agree {100 * row["agreement"]:.4f} %; largest differences: '
          f'{differences}', flush=True)


def execute(args: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        ValueError: The file does not compute what the model does.
    """
    check_output_file(args.out, '--out')
    model = resolve_model(args.model, args.checkpoint)
    segmentor = ExportedSegmentor(load_posthoc(*model), args.heads, args.preprocess, args.probabilities)
    graphs = write(segmentor, args)
    print(f'{args.out}: {args.out.stat().st_size / 1e6:.1f} MB, inputs {", ".join(segmentor.input_names)}, outputs '
          f'{", ".join(segmentor.output_names)}')
    images = compare_images(segmentor, model, args)
    for row in (*graphs, *images):
        show(row)
    if not is_equal(graphs) or not predicts_the_same(images):
        raise ValueError(f'{args.out} does not compute what the model does: labels may differ at ties only, outputs of the '
                         f'graph by {TOLERANCE} and maps of images by {IMAGE_TOLERANCE}. Try another --opset, or leave out the head '
                         'that differs with --heads.')


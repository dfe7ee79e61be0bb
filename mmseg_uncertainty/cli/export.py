"""Export a model with its uncertainty heads to ONNX or torch, and show that the file predicts the same."""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)

from mmseg_uncertainty.apis import UncertaintyInferencer, load_posthoc
from mmseg_uncertainty.apis.export_parity import (IMAGE_TOLERANCE, TOLERANCE, graph_parity, image_parity, is_equal,
                                                  predicts_the_same)
from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.apis.model_index import resolve_model
from mmseg_uncertainty.apis.onnx_export import export_onnx, import_exporter, onnx_runner
from mmseg_uncertainty.apis.torch_export import (export_program, export_torchscript, program_runner, torchscript_predictor,
                                                 torchscript_runner)
from mmseg_uncertainty.models.segmentors.test_time_views import TestTimeViews
from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor
from mmseg_uncertainty.runtime.output_files import check_output_file, whole_file
from mmseg_uncertainty.runtime.tta_options import tta_of


def write(segmentor: ExportedSegmentor, file: Path, args: argparse.Namespace) -> list[dict]:
    """Write the file that the suffix asks for, and compare it with the function it was made of."""
    if file.suffix == '.onnx':
        import_exporter('onnxruntime')
        export_onnx(segmentor, file, args.opset)
        return graph_parity(segmentor, onnx_runner(file), args.sizes)
    if file.suffix == '.pt':
        export_torchscript(segmentor, file)
        return graph_parity(segmentor, torchscript_runner(file), args.sizes)
    export_program(segmentor, file, 1, *args.sizes[0])
    return graph_parity(segmentor, program_runner(file), args.sizes[:1], [1])


def compare_images(segmentor: ExportedSegmentor, model: tuple, file: Path, sizes: Sequence) -> list[dict]:
    """Compare predictions of images with those of the model; a program of one size takes no images of others."""
    if file.suffix == '.pt2':
        return []
    predict = OnnxSegmentor(file).predict if file.suffix == '.onnx' else torchscript_predictor(file)
    inferencer = UncertaintyInferencer(*model, device='cpu', show_progress=False)
    inferencer.model.tta = segmentor.model.tta
    return image_parity(inferencer, predict, sizes, segmentor.heads)


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
    posthoc = load_posthoc(*model)
    if tta_of(args) is not None:
        posthoc.tta = TestTimeViews(**tta_of(args))
    segmentor = ExportedSegmentor(posthoc, args.heads, args.preprocess, args.probabilities)
    # Only what was shown to compute the same takes the name.
    with whole_file(args.out, args.out.suffix) as unproven:
        prove(segmentor, model, unproven, args)


def prove(segmentor: ExportedSegmentor, model: tuple, file: Path, args: argparse.Namespace) -> None:
    """Write a file, and compare it with the model.

    Raises:
        ValueError: It does not compute what the model does.
    """
    graphs = write(segmentor, file, args)
    print(f'{args.out}: {file.stat().st_size / 1e6:.1f} MB, inputs {", ".join(segmentor.input_names)}, outputs '
          f'{", ".join(segmentor.output_names)}')
    images = compare_images(segmentor, model, file, args.sizes)
    for row in (*graphs, *images):
        show(row)
    if not is_equal(graphs) or not predicts_the_same(images):
        raise ValueError(f'{args.out} was not written, since it does not compute what the model does: labels may differ at '
                         f'ties only, outputs of the graph by {TOLERANCE} and maps of images by {IMAGE_TOLERANCE}. Try another '
                         '--opset, or leave out the head '
                         'that differs with --heads.')


"""Export a model with its uncertainty heads to ONNX or torch, and show that the file predicts the same."""
from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)

from mmseg_uncertainty.apis import UncertaintyInferencer, load_posthoc
from mmseg_uncertainty.apis.export_parity import (IMAGE_TOLERANCE, TOLERANCE, changes, graph_parity, image_parity, is_equal,
                                                  predicts_the_same)
from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.apis.model_index import resolve_model
from mmseg_uncertainty.apis.onnx_export import export_onnx, import_exporter, onnx_runner
from mmseg_uncertainty.apis.onnx_quantization import quantize_onnx
from mmseg_uncertainty.apis.torch_export import (export_program, export_torchscript, program_runner, torchscript_predictor,
                                                 torchscript_runner)
from mmseg_uncertainty.models.segmentors.test_time_views import TestTimeViews
from mmseg_uncertainty.runtime.image_sources import ImageSource, find_images, read_image
from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor
from mmseg_uncertainty.runtime.output_files import check_output_file, whole_file
from mmseg_uncertainty.runtime.tta_options import tta_of

# Images on which the effect of 8 bits is shown.
FEW = 3


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


def show(row: dict, what: str = '') -> None:
    """Print a comparison."""
    kind = what or (f'graph, batch {row["batch"]}' if 'batch' in row else 'image through the test pipeline')
    differences = ', '.join(f'{name} {value:.1e}' for name, value in row['difference'].items()) or 'none to compare'
    print(f'{kind}, {row["size"][0]}x{row["size"][1]}: labels agree {100 * row["agreement"]:.4f} %; largest differences: '
          f'{differences}', flush=True)


def execute(args: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        DatasetError: ``--images`` holds no image.
        ValueError: The file does not compute what the model does.
    """
    check_output_file(args.out, '--out')
    images = [] if args.images is None else images_of(args.images, args.most_images)
    model = resolve_model(args.model, args.checkpoint)
    posthoc = load_posthoc(*model)
    if tta_of(args) is not None:
        posthoc.tta = TestTimeViews(**tta_of(args))
    segmentor = ExportedSegmentor(posthoc, args.heads, args.preprocess, args.probabilities, half=args.dtype == 'float16')
    # Only what was shown to compute the same takes the name.
    with whole_file(args.out, args.out.suffix) as unproven:
        prove(segmentor, model, unproven, args)
        if images:
            quantize(unproven, args, images)
    if args.dtype != 'float32' and segmentor.promises:
        print(f'Promises of {", ".join(segmentor.promises)} were made for the model in float32. Measure them on labelled images '
              'with this file before you rely on them (docs/prediction.md).')


def images_of(folder: Path, most: int) -> list[ImageSource]:
    """Images, evenly from a folder."""
    found = find_images(folder)
    count = min(most, len(found))
    return [found[index * len(found) // count] for index in range(count)]


def quantize(file: Path, args: argparse.Namespace, images: Sequence[ImageSource]) -> None:
    """Replace a proven file by one in 8 bits, and say what that changes."""
    exact = OnnxSegmentor(file)
    quantize_onnx(file, file, map(read_image, images))
    print(f'{args.out}: {file.stat().st_size / 1e6:.1f} MB in 8 bits, by {len(images)} images')
    for row in changes(exact.predict, OnnxSegmentor(file).predict, map(read_image, images[:FEW])):
        show(row, 'in 8 bits')


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
    if segmentor.half:
        check_half(args, (*graphs, *images))
    elif not is_equal(graphs) or not predicts_the_same(images):
        raise ValueError(f'{args.out} was not written, since it does not compute what the model does: labels may differ at '
                         f'ties only, outputs of the graph by {TOLERANCE} and maps of images by {IMAGE_TOLERANCE}. Try another '
                         '--opset, or leave out the head that differs with --heads.')


def check_half(args: argparse.Namespace, rows: Sequence[dict]) -> None:
    """Refuse a file whose numbers left the range of float16; rounding is shown and not judged.

    Raises:
        ValueError: A result is no number.
    """
    if not all(math.isfinite(value) for row in rows for value in row['difference'].values()):
        raise ValueError(f'{args.out} was not written: activations of the base model exceed the range of float16 (65,504). Export '
                         'with --dtype float32.')

"""Write a posthoc model as an ONNX file and compare the two."""
from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from mmseg_uncertainty.models.set_heads import ConformalRiskControlHead

from .config_files import type_name
from .exported_segmentor import ExportedSegmentor, takes_rgb
from .run_config import test_pipeline

OPSET = 17
TOLERANCE = 1e-4
SIZES = ((64, 96), (97, 131), (160, 128))


def export_onnx(segmentor: ExportedSegmentor, path: str | Path, opset: int = OPSET) -> Path:
    """Write one graph with dynamic batch, height and width; what inputs and outputs mean is in its metadata.

    Args:
        segmentor: What to export.
        path: File to write; folders are made.
        opset: Version of the ONNX operators.

    Returns:
        The path.

    Raises:
        ModuleNotFoundError: onnx is not installed.
    """
    onnx = _import('onnx')
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    batch = segmentor.example_inputs(2, 96, 128)
    with torch.no_grad(), warnings.catch_warnings():
        # The tracer warns of every shape that Python reads; parity at other sizes shows that none was frozen.
        warnings.simplefilter('ignore')
        torch.onnx.export(segmentor.eval(), (batch, ), str(path), dynamo=False, opset_version=opset,
                          input_names=['images'], output_names=segmentor.output_names,
                          dynamic_axes=_dynamic_axes(segmentor))
    graph = onnx.load(str(path))
    onnx.checker.check_model(graph)
    onnx.helper.set_model_props(graph, _metadata(segmentor))
    onnx.save(graph, str(path))
    return path


def parity(segmentor: ExportedSegmentor,
           path: str | Path,
           sizes: Iterable[tuple[int, int]] = SIZES,
           batches: Iterable[int] = (1, 4)) -> list[dict]:
    """Compare torch and ONNX Runtime on random images.

    Args:
        segmentor: What was exported.
        path: The file.
        sizes: Heights and widths in pixels.
        batches: Numbers of images.

    Returns:
        A row for each batch and size: ``batch``, ``size``, ``agreement`` (share of pixels with the same label) and
        ``difference`` by output (largest difference, relative where values exceed 1; of sets, the share of entries that
        differ).

    Raises:
        ModuleNotFoundError: onnxruntime is not installed.
    """
    session = _import('onnxruntime').InferenceSession(str(path), providers=['CPUExecutionProvider'])
    batches = tuple(batches)
    return [_compare(segmentor, session, batch, size) for size in sizes for batch in batches]


def is_equal(rows: Iterable[dict], tolerance: float = TOLERANCE) -> bool:
    """Whether all labels agree and no output differs by ``tolerance`` or more."""
    return all(row['agreement'] == 1 and max(row['difference'].values()) < tolerance for row in rows)


def _compare(segmentor: ExportedSegmentor, session, batch: int, size: tuple[int, int]) -> dict:
    images = segmentor.example_inputs(batch, *size)
    with torch.no_grad():
        expected = [output.numpy() for output in segmentor(images)]
    found = session.run(None, dict(images=images.numpy()))
    difference = {name: _difference(one, other)
                  for name, one, other in zip(segmentor.output_names[1:], expected[1:], found[1:], strict=True)}
    return dict(batch=batch, size=tuple(size), agreement=float((expected[0] == found[0]).mean()), difference=difference)


def _difference(expected: np.ndarray, found: np.ndarray) -> float:
    if expected.dtype == bool:
        return float((expected != found).mean())
    return float((np.abs(expected.astype(np.float64) - found) / np.maximum(1, np.abs(expected))).max())


def _dynamic_axes(segmentor: ExportedSegmentor) -> dict[str, dict[int, str]]:
    with_classes = {0: 'batch', 2: 'height', 3: 'width'}
    without = {0: 'batch', 1: 'height', 2: 'width'}
    maps = {name: with_classes if name in ('logits', 'probabilities', 'set_membership') else without
            for name in segmentor.output_names}
    return dict(maps, images=without if segmentor.preprocess else with_classes)


def _metadata(segmentor: ExportedSegmentor) -> dict[str, str]:
    model = segmentor.model
    meta = getattr(model, 'dataset_meta', {})
    preprocessor = model.data_preprocessor
    order = 'RGB' if takes_rgb(preprocessor) else 'BGR'
    scales = {name: model.uncertainty_heads[name].scale(model.num_classes) for name in segmentor.heads}
    content = dict(
        images='uint8 RGB (N, H, W, 3)' if segmentor.preprocess else f'normalized float32 {order} (N, 3, H, W)',
        mean=getattr(preprocessor, 'mean', torch.zeros(3)).flatten().tolist(),
        std=getattr(preprocessor, 'std', torch.ones(3)).flatten().tolist(),
        resize=_resize_step(getattr(model, 'cfg', {})),
        classes=meta.get('classes', []), palette=meta.get('palette', []),
        units={name: f'{scale.units}; higher is more uncertain' for name, scale in scales.items()},
        scales={name: asdict(scale) for name, scale in scales.items()},
        sets=_sets(model.set_head),
        provenance=getattr(model, 'provenance', {}))
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in content.items()}


def _resize_step(config: Mapping) -> dict:
    """Scale (width, height) of the test pipeline's resizing, which is outside the graph; empty if there is none."""
    step = next((step for step in test_pipeline(config) or () if type_name(step['type']) == 'Resize'), {})
    scale = step.get('scale')
    return dict(scale=list(scale), keep_ratio=bool(step.get('keep_ratio'))) if scale else {}


def _sets(set_head: ConformalRiskControlHead | None) -> dict:
    if set_head is None:
        return {}
    return dict(lambda_hat=(1 - set_head.thresholds).tolist(), promises=[
        dict(alpha=target.alpha, control=target.control, **loss)
        for target, loss in zip(set_head.targets, set_head.losses)])


def _import(name: str):
    try:
        return __import__(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f'Exporting needs {name}, which is not installed. Run `pip install '
                                  '"mmseg_uncertainty[onnx]"`.', name=name) from error

"""Write the base model of an exported file in 8 bits; scores, calibrators, flags and sets stay in float32."""
from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from mmseg_uncertainty.runtime.exported_predictor import ExportedPredictor
from mmseg_uncertainty.runtime.output_files import whole_file

from .onnx_export import import_exporter

QUANTIZED = ('Conv', 'Gemm', 'MatMul')
BASE = re.compile(r'/window_pass(_\d+)?/(base|member_networks)')


def quantize_onnx(path: str | Path, target: str | Path, images: Iterable[np.ndarray]) -> Path:
    """Quantize convolutions and linear layers of the base model statically, weights by channel.

    The classifier stays in float32, as does everything that reads its logits: 256 levels of a logit would leave a score
    256 values. Products of two activations, as in attention, stay too.

    Args:
        path: A file in float32, of a model that sees an image as a whole.
        target: File to write.
        images: Images that are like those of operation, (H, W, 3), uint8, BGR. They go through the test pipeline of the file,
            and decide how large activations are.

    Returns:
        The path of the new file.

    Raises:
        ModuleNotFoundError: onnx or onnxruntime is not installed.
        ValueError: There is no image, or no layer can be quantized.
    """
    onnx, onnxruntime = import_exporter('onnx'), import_exporter('onnxruntime')
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    graph = onnx.load(str(path))
    layers = base_layers(graph)
    if not layers:
        raise ValueError(f'{path}: no layer of the base model can be quantized, since a file that slides windows over the image '
                         "holds it in a loop, which ONNX Runtime does not quantize. Export with --dtype float16, or a config with "
                         "test_cfg=dict(mode='whole').")
    meta = {entry.key: entry.value for entry in graph.metadata_props}
    target = Path(target)
    with whole_file(target) as partial, tempfile.TemporaryDirectory(prefix='quantize-') as folder:
        prepared, logger = Path(folder) / 'prepared.onnx', logging.getLogger()
        _optimize(onnxruntime, path, prepared)
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            quantize_static(str(prepared), str(partial), _Reader(ExportedPredictor(_unused, meta), images),
                            quant_format=QuantFormat.QDQ, nodes_to_quantize=base_layers(onnx.load(str(prepared))), per_channel=True,
                            weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8)
        finally:
            logger.setLevel(level)
        quantized = onnx.load(str(partial))
        onnx.helper.set_model_props(quantized, dict(meta, dtype='int8'))
        onnx.save(quantized, str(partial))
    return target


def base_layers(model) -> list[str]:
    """Names of the layers of the base model with weights of their own, without the last one, which is the classifier."""
    weights = {entry.name for entry in model.graph.initializer}
    weights |= {name for node in model.graph.node if node.op_type == 'Constant' for name in node.output}
    return [node.name for node in model.graph.node
            if node.op_type in QUANTIZED and BASE.match(node.name) and len(node.input) > 1 and node.input[1] in weights][:-1]


def _optimize(onnxruntime, path: str | Path, target: Path) -> None:
    """Fold batch normalization into convolutions, whose weights are then quantized with it."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])


def _unused(_: dict) -> list:
    raise NotImplementedError('Only inputs are prepared.')


class _Reader:
    """Inputs of a file, an image each, as ONNX Runtime's calibration reads them."""

    def __init__(self, predictor: ExportedPredictor, images: Iterable[np.ndarray]) -> None:
        self.predictor, self.images = predictor, self._feeds(images)

    def _feeds(self, images: Iterable[np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
        empty = True
        for image in images:
            yield self.predictor.feeds(image)
            empty = False
        if empty:
            raise ValueError('Quantizing needs images that are like those of operation, and there is none.')

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next image, ``None`` after the last."""
        return next(self.images, None)

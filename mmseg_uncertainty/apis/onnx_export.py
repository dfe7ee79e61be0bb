"""Write a posthoc model as an ONNX file."""
from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmseg_uncertainty.runtime.output_files import whole_file

from .export_metadata import dynamic_axes, export_metadata
from .exported_segmentor import ExportedSegmentor

OPSET = 17


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
        ValueError: A layer has no counterpart in ONNX; it is named.
    """
    onnx = import_exporter('onnx')
    path = Path(path)
    with whole_file(path) as partial:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            try:
                with _without_output():
                    _export(segmentor, partial, opset)
            except (RuntimeError, AssertionError) as error:
                raise ValueError(_reason(error, opset)) from error
        graph = onnx.load(str(partial))
        onnx.checker.check_model(graph)
        onnx.helper.set_model_props(graph, export_metadata(segmentor, opset))
        onnx.save(graph, str(partial))
    return path


def _export(segmentor: ExportedSegmentor, path: Path, opset: int) -> None:
    torch.onnx.register_custom_op_symbolic('aten::special_entr', _entropy_term, 9)
    # Only windows need TorchScript, for their loop; the exporter knows more types where it traces by itself.
    source = segmentor.traced() if segmentor.model.test_cfg['mode'] == 'slide' else segmentor.eval()
    # torch 2.1 has this exporter alone and cannot be asked for it.
    exporter = {'dynamo': False} if 'dynamo' in signature(torch.onnx.export).parameters else {}
    torch.onnx.export(source, segmentor.example_inputs(2, 96, 128), str(path), opset_version=opset,
                      input_names=segmentor.input_names, output_names=segmentor.output_names,
                      dynamic_axes=dynamic_axes(segmentor), **exporter)


@contextmanager
def _without_output() -> Iterator[None]:
    """Drop what is written to standard output meanwhile: where the exporter fails it prints its whole graph, from C++."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with open(os.devnull, 'wb') as nothing:
            os.dup2(nothing.fileno(), 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _entropy_term(graph, value):
    """-p log p, and 0 at 0."""
    zero, positive = graph.op('Sub', value, value), graph.op('Greater', value, graph.op('Sub', value, value))
    logarithm = graph.op('Log', graph.op('Where', positive, value, graph.op('Exp', zero)))
    return graph.op('Neg', graph.op('Mul', value, logarithm))


def onnx_runner(path: str | Path) -> Callable[..., list[np.ndarray]]:
    """The file as a function of the inputs of :class:`ExportedSegmentor`.

    Raises:
        ModuleNotFoundError: onnxruntime is not installed.
    """
    onnxruntime = import_exporter('onnxruntime')
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    names = [entry.name for entry in session.get_inputs()]

    def run(*inputs: Tensor) -> list[np.ndarray]:
        return session.run(None, {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)})

    return run


def import_exporter(name: str):
    """Import an optional package of exports.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    try:
        return __import__(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f'Exporting needs {name}, which is not installed. Run `pip install '
                                  '"mmseg_uncertainty[onnx]"`.', name=name) from error


def _reason(error: Exception, opset: int) -> str:
    """Operator and layer of an error whose text is a dump of the graph."""
    text = str(error)
    scope = re.search(r'scope: ([^\n#]+)', text)
    layers = [part.rpartition('::')[2] for part in scope.group(1).strip().rstrip(')').split('/')] if scope else []
    layer = f' (layer {".".join(name for name in layers if name)})' if layers else ''
    first = text.splitlines()[0].partition('  [Caused by')[0].partition(' Please')[0]
    return (f'{first[:200].rstrip(".")}{layer}: ONNX of opset {opset} cannot express this for images of any size. '
            'Try another --opset or TorchScript (--out FILE.pt), leave out the head with --heads, or replace the layer.')

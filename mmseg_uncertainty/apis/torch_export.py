"""Write a posthoc model as TorchScript or as a ``torch.export`` program."""
from __future__ import annotations

import json
from collections.abc import Callable
from inspect import signature
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mmseg_uncertainty.runtime.exported_predictor import ExportedPredictor
from mmseg_uncertainty.runtime.output_files import whole_file

from .export_metadata import export_metadata
from .exported_segmentor import ExportedSegmentor

METADATA_FILE = 'metadata.json'


def export_torchscript(segmentor: ExportedSegmentor, path: str | Path) -> Path:
    """Trace a model; the file runs images of any size and batch with ``torch.jit.load`` and no code of this project.

    Args:
        segmentor: What to export.
        path: File to write; folders are made. It holds :func:`export_metadata` as the extra file ``metadata.json``.

    Returns:
        The path.
    """
    path = Path(path)
    with whole_file(path) as partial:
        # torch ends the process where its own writer meets a full disk.
        partial.write_bytes(segmentor.traced().save_to_buffer(_extra_files={METADATA_FILE: _metadata(segmentor)}))
    return path


def export_program(segmentor: ExportedSegmentor, path: str | Path, batch: int, height: int, width: int) -> Path:
    """Write a program of ``torch.export`` for one batch and size of images.

    Backbones compute with sizes in Python, so the program is one of fixed shapes. It takes images alone: where the test
    pipeline resizes, the size that results are resized to is fixed as well.

    Args:
        segmentor: What to export.
        path: File to write; folders are made. It holds :func:`export_metadata` as the extra file ``metadata.json``.
        batch: Number of images.
        height: Height in pixels, before the test pipeline.
        width: Width in pixels, before the test pipeline.

    Returns:
        The path.

    Raises:
        ValueError: A layer asks for values while the program is made; the error of torch.export is quoted. Or this torch is
            too old.
    """
    if 'strict' not in signature(torch.export.export).parameters:
        raise ValueError(f'Programs of torch.export need torch 2.4 or newer, this is {torch.__version__}. Write ONNX or '
                         'TorchScript (--out FILE.onnx, FILE.pt).')
    path, images = Path(path), segmentor.example_inputs(batch, height, width)[:1]
    fixed = _OfOneSize(segmentor.eval(), (height, width) if segmentor.resizes else None)
    try:
        with torch.no_grad():
            program = torch.export.export(fixed, images, strict=False)
    except (RuntimeError, torch._dynamo.exc.TorchDynamoException) as error:
        reason = f'{type(error).__name__}: {str(error).splitlines()[0][:200]}'
        raise ValueError(f'torch.export cannot express this model ({reason}). Leave out a head with --heads, or write ONNX or '
                         'TorchScript (--out FILE.onnx, FILE.pt).') from error
    with whole_file(path) as partial, partial.open('wb') as file:
        torch.export.save(program, file, extra_files={METADATA_FILE: _metadata(segmentor)})
    return path


def torchscript_runner(path: str | Path) -> Callable[..., list[np.ndarray]]:
    """The file as a function of the inputs of :class:`ExportedSegmentor`."""
    return _runner(torch.jit.load(str(path)))


def torchscript_predictor(path: str | Path) -> ExportedPredictor:
    """The file as a function of images, by the metadata that it holds."""
    files = {METADATA_FILE: ''}
    run = _runner(torch.jit.load(str(path), _extra_files=files))
    return ExportedPredictor(lambda feeds: run(*map(torch.from_numpy, feeds.values())), json.loads(files[METADATA_FILE]))


def program_runner(path: str | Path) -> Callable[..., list[np.ndarray]]:
    """The file as a function of images of its size."""
    run = _runner(torch.export.load(str(path)).module())
    return lambda images, *_: run(images)


class _OfOneSize(nn.Module):
    """A model whose second input is a constant."""

    def __init__(self, segmentor: ExportedSegmentor, image_size: tuple[int, int] | None) -> None:
        super().__init__()
        self.segmentor, self.image_size = segmentor, image_size

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`ExportedSegmentor.forward`."""
        return self.segmentor(images, self.image_size)


def _runner(module: nn.Module) -> Callable[..., list[np.ndarray]]:
    def run(*inputs: Tensor) -> list[np.ndarray]:
        with torch.no_grad():
            return [output.numpy() for output in module(*inputs)]
    return run


def _metadata(segmentor: ExportedSegmentor) -> str:
    return json.dumps(export_metadata(segmentor), indent=1)

"""Write a posthoc model as TorchScript or as a ``torch.export`` program."""
from __future__ import annotations

import warnings
from pathlib import Path

import torch

from .exported_segmentor import ExportedSegmentor


def export_torchscript(segmentor: ExportedSegmentor, path: str | Path) -> Path:
    """Trace a model; the file runs images of any size and batch with ``torch.jit.load`` and no code of this project.

    Args:
        segmentor: What to export.
        path: File to write; folders are made.

    Returns:
        The path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad(), warnings.catch_warnings():
        # The tracer warns of every shape that Python reads; comparing at other sizes shows that none was frozen.
        warnings.simplefilter('ignore')
        traced = torch.jit.trace(segmentor.eval(), segmentor.example_inputs(2, 96, 128), check_trace=False)
        traced.save(str(path))
    return path


def export_program(segmentor: ExportedSegmentor, path: str | Path, batch: int, height: int, width: int) -> Path:
    """Write a program of ``torch.export`` for one batch and size of images.

    Backbones compute with sizes in Python, so the program is one of fixed shapes.

    Args:
        segmentor: What to export.
        path: File to write; folders are made.
        batch: Number of images.
        height: Height in pixels.
        width: Width in pixels.

    Returns:
        The path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        program = torch.export.export(segmentor.eval(), (segmentor.example_inputs(batch, height, width), ), strict=False)
    torch.export.save(program, str(path))
    return path

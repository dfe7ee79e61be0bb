"""Write a wrapped network as a file."""
from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.runtime.output_files import whole_file

from .export_parity import graph_parity, is_equal
from .exported_segmentor import ExportedSegmentor
from .onnx_export import export_onnx, onnx_runner
from .torch_export import export_torchscript, torchscript_runner

FORMATS = {'.onnx': (export_onnx, onnx_runner), '.pt': (export_torchscript, torchscript_runner)}


def export_plain(posthoc: PosthocSegmentor, classes: Sequence[str], path: str | Path, **options) -> Path:
    """Export a copy of a model, and compare the file with it.

    Args:
        posthoc: The model; it stays as it is.
        classes: Names of its classes.
        path: File to write; its suffix tells the format.
        options: Arguments of :class:`~mmseg_uncertainty.apis.exported_segmentor.ExportedSegmentor`.

    Returns:
        The path.

    Raises:
        ValueError: The suffix tells no format, a part cannot be exported, or the file does not compute the same.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise ValueError(f'{path}: the suffix {path.suffix!r} tells no format; expected one of {", ".join(FORMATS)}.')
    model = copy.deepcopy(posthoc).cpu()
    model.dataset_meta = dict(classes=list(classes))
    segmentor, (write, runner) = ExportedSegmentor(model, **options), FORMATS[path.suffix]
    with whole_file(path, path.suffix) as unproven:
        write(segmentor, unproven)
        rows = [] if segmentor.half else graph_parity(segmentor, runner(unproven))
        if not is_equal(rows):
            raise ValueError(f'{path} was not written, since it does not compute what the model does: {rows}. Leave out the head '
                             'that differs with heads=…, or write the other format.')
    return path

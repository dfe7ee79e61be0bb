"""Reads files of tensors, of torch and of other libraries, without running what is in them."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

FOLDER_FILES = ('model.safetensors', 'pytorch_model.bin')
"""Names that Hugging Face gives to the weights in a folder, the better format first; each may come in parts."""
SAFETENSORS = '.safetensors'


class CheckpointError(RuntimeError):
    """A checkpoint cannot be read or does not fit its model; the message says what to do."""


def weight_files(path: str | Path) -> list[Path]:
    """The files that hold the tensors of a path: itself, or those in a folder.

    Raises:
        CheckpointError: There is no such file, or the folder holds no weights.
    """
    path = Path(path).expanduser()
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise CheckpointError(f'Checkpoint {path} does not exist. Check the path; base checkpoints of this project are in '
                              'checkpoints/.')
    for name in FOLDER_FILES:
        if (path / name).is_file():
            return [path / name]
        index = path / f'{name}.index.json'
        if index.is_file():
            return [path / part for part in sorted(set(json.loads(index.read_text(encoding='utf-8'))['weight_map'].values()))]
    raise CheckpointError(f'{path} is a folder without weights; expected {" or ".join(FOLDER_FILES)} in it.')


def sha256(path: str | Path) -> str:
    """SHA-256 of a file, or of the files with the weights in a folder, one after the other."""
    digest = hashlib.sha256()
    for file in weight_files(path):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def read_safetensors(path: Path, map_location: str | torch.device | Callable | None) -> dict[str, Tensor]:
    """Tensors of a ``.safetensors`` file.

    Raises:
        CheckpointError: The file is damaged.
        ImportError: safetensors is not installed.
    """
    from mmseg_uncertainty.models.bases.libraries import library
    library('safetensors')
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    try:
        return load_file(path, str(map_location) if isinstance(map_location, (str, torch.device)) else 'cpu')
    except SafetensorError as error:
        raise CheckpointError(f'{path} is not a file of safetensors ({error}). Copy or download it again.') from error


def read_parts(path: str | Path, map_location: str | torch.device | None, read: Callable[..., Mapping]) -> Mapping:
    """A checkpoint of one file or of several parts.

    Args:
        path: File or folder.
        map_location: See :func:`torch.load`.
        read: Reads a file of torch.
    """
    parts = [read_safetensors(file, map_location) if file.suffix == SAFETENSORS else read(file, map_location)
             for file in weight_files(path)]
    return parts[0] if len(parts) == 1 else {key: value for part in parts for key, value in part.items()}

"""Imports libraries that are optional."""
from __future__ import annotations

import importlib
from types import ModuleType

import torch

EXTRAS = dict(transformers='transformers', torchvision='torchvision', segmentation_models_pytorch='smp',
              safetensors='transformers')
"""Extra of this package that installs a library, by its import name."""


def library(name: str) -> ModuleType:
    """An optional library.

    Args:
        name: Its import name, a key of :data:`EXTRAS`.

    Raises:
        ImportError: It is not installed, or does not load beside this torch.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ImportError(f'{name} cannot be imported ({error}). Run `pip install "mmseg_uncertainty[{EXTRAS[name]}]" '
                          f'torch=={torch.__version__}`, which keeps the torch that is installed.', name=error.name) from error
    except RuntimeError as error:
        raise ImportError(f'{name} does not load beside torch ({error}). Install a build of torchvision that belongs to '
                          'this build of torch.', name=name) from error

"""A frozen base from a network and the name of its library."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from .frozen_base import FrozenBase
from .smp_base import SegmentationModelsBase
from .torch_base import TorchBase
from .torchvision_base import TorchvisionBase
from .transformers_base import TransformersBase

PRESETS: dict[str, type[TorchBase]] = dict(
    transformers=TransformersBase, torchvision=TorchvisionBase, smp=SegmentationModelsBase)
"""What knows the networks of a library, by name."""

PACKAGES = dict(transformers='transformers', torchvision='torchvision', segmentation_models_pytorch='smp')


def base_of(network: nn.Module | Mapping | Callable[..., nn.Module] | str | FrozenBase | None,
            preset: str | None = None,
            **options: Any) -> FrozenBase:
    """Hold a network as a frozen base.

    Args:
        network: The network, or what the preset builds one from; a base is returned as it is.
        preset: Name out of :data:`PRESETS`; by default the library that the class of the network comes from, and
            :class:`TorchBase` for any other.
        options: Arguments of the base.

    Raises:
        TypeError: A base is given together with options.
        ValueError: The preset is unknown.
    """
    if isinstance(network, FrozenBase):
        if preset is not None or options:
            raise TypeError(f'{type(network).__name__} is a base already, so preset={preset!r} and {sorted(options)} have '
                            'no place beside it; pass them where it is made.')
        return network
    preset = preset_of(network) if preset is None else preset
    if preset is not None and preset not in PRESETS:
        raise ValueError(f'preset={preset!r} is unknown; choose from {tuple(PRESETS)}, or None for any network of PyTorch.')
    return (TorchBase if preset is None else PRESETS[preset])(network, **options)


def preset_of(network: Any) -> str | None:
    """Name of the preset for a network of one of its libraries, ``None`` for any other."""
    packages = (kind.__module__.partition('.')[0] for kind in type(network).__mro__)
    return next((PACKAGES[package] for package in packages if package in PACKAGES), None)

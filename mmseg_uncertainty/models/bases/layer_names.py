"""Finds layers of networks by what they are."""
from __future__ import annotations

from torch import nn

DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d)


def last_convolution(network: nn.Module,
                     inside: str = '',
                     channels: int | None = None,
                     without: str = 'auxiliary') -> str | None:
    """Dotted name of the last convolution.

    Args:
        network: The network.
        inside: Name of the part to look in, by default all of it.
        channels: Output channels that it must have.
        without: Parts whose name holds this are left out.

    Returns:
        Its name in ``network``, ``None`` where there is none.
    """
    start = f'{inside}.' if inside else ''
    names = [name for name, module in network.named_modules()
             if isinstance(module, nn.Conv2d) and f'{name}.'.startswith(start) and without not in name
             and channels in (None, module.out_channels)]
    return names[-1] if names else None


def dropped_before(network: nn.Module, name: str | None) -> float:
    """Ratio of a dropout layer that stands right before a layer in a sequence, 0 where there is none."""
    if name is None:
        return 0.
    parent, _, own = name.rpartition('.')
    before = network.get_submodule(parent)._modules.get(str(int(own) - 1)) if own.isdigit() else None
    return before.p if isinstance(before, DROPOUT) else 0.

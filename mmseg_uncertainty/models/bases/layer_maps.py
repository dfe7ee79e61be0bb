"""Maps of features from any layer of a network, all of one pass."""
from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.runtime.near_names import did_you_mean

from .layer_tap import at_least_float32

PARTS = ('input', 'output', 'keys')
WIDTHS = dict(input=('in_channels', 'in_features', 'num_features', 'embed_dim', 'embed_dims'),
              output=('out_channels', 'out_features', 'num_features', 'embed_dim', 'embed_dims'), keys=('embed_dim', ))
# None; a class; a class and a distilled one; a class and four registers.
TOKENS_BEFORE = (0, 1, 2, 5)


def find_layer(network: nn.Module, name: str, owner: str) -> tuple[nn.Module, str]:
    """Layer and part of it that a name means.

    Args:
        network: The network.
        name: ``'LAYER'`` or ``'LAYER:input'`` for what enters the layer, ``'LAYER:output'`` for what leaves it, ``'LAYER:keys'``
            for the keys of a :class:`torch.nn.MultiheadAttention`.
        owner: Who names it, for the message.

    Raises:
        ValueError: The name leads nowhere.
    """
    layer, _, part = name.partition(':')
    part, names = part or 'input', dict(network.named_modules())
    if part not in PARTS:
        raise ValueError(f'{owner}: features_from={name!r} asks for {part!r} of a layer; choose from {PARTS}.')
    if layer not in names:
        raise ValueError(f'{owner}: features_from={name!r} names no layer of {type(network).__name__}.'
                         f'{did_you_mean(layer, names, most=3)}')
    if part == 'keys' and not isinstance(names[layer], nn.MultiheadAttention):
        raise ValueError(f'{owner}: features_from={name!r} asks for keys of a {type(names[layer]).__name__}, which is no '
                         'torch.nn.MultiheadAttention. Where a layer of its own makes the keys, name that and its output.')
    return names[layer], part


def layer_channels(layer: nn.Module, part: str) -> int | None:
    """Channels of a part of a layer, ``None`` where the layer does not tell."""
    widths = (getattr(layer, name, None) for name in WIDTHS[part])
    return next((width for width in widths if isinstance(width, int)), None)


class LayerReader:
    """Keep what goes through layers while the ``with`` block runs; of several calls of a layer the last counts.

    Args:
        network: The network.
        names: What is read, see :func:`find_layer`.
        owner: Who reads it, for messages.
    """

    def __init__(self, network: nn.Module, names: Iterable[str], owner: str) -> None:
        self._layers = {name: find_layer(network, name, owner) for name in names}
        self._owner, self._thread, self._seen = owner, threading.get_ident(), {}

    def __enter__(self) -> LayerReader:
        self._hooks = [layer.register_forward_hook(self._keeper(name, part), with_kwargs=True)
                       for name, (layer, part) in self._layers.items()]
        return self

    def __exit__(self, *_) -> None:
        for hook in self._hooks:
            hook.remove()

    def _keeper(self, name: str, part: str):
        def keep(layer: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
            if threading.get_ident() == self._thread:
                self._seen[name] = (keys_of(layer, args, kwargs) if part == 'keys' else
                                    first_tensor(output if part == 'output' else (args, kwargs)))
        return keep

    def maps(self, input_size: tuple[int, int]) -> dict[str, Tensor]:
        """Maps by name, shape (N, C, h, w), float32 at least.

        Args:
            input_size: Height and width of the input of the network.

        Raises:
            ValueError: A layer did not run, or gives nothing that lies on the image.
        """
        absent = [name for name in self._layers if self._seen.get(name) is None]
        if absent:
            raise ValueError(f'{self._owner}: nothing went through the layers {absent} in this pass. Name layers that predict.')
        return {name: on_grid(at_least_float32(values), input_size, name) for name, values in self._seen.items()}


def first_tensor(values: Any) -> Tensor | None:
    """The first tensor in nested tuples, lists and dicts, ``None`` where there is none."""
    if isinstance(values, Tensor):
        return values
    parts = values.values() if isinstance(values, Mapping) else values if isinstance(values, (tuple, list)) else ()
    return next((found for part in parts if (found := first_tensor(part)) is not None), None)


def keys_of(attention: nn.MultiheadAttention, args: tuple, kwargs: Mapping) -> Tensor:
    """Keys of all heads side by side, shape (N, L, E)."""
    tokens = kwargs['key'] if 'key' in kwargs else args[1]
    bias, width = attention.in_proj_bias, attention.embed_dim
    weight = attention.k_proj_weight if attention.in_proj_weight is None else attention.in_proj_weight[width:2 * width]
    keys = F.linear(tokens, weight, None if bias is None else bias[width:2 * width])
    return keys if attention.batch_first else keys.transpose(0, 1)


def on_grid(values: Tensor, input_size: tuple[int, int], name: str = '') -> Tensor:
    """Values as a map (N, C, h, w); tokens (N, L, C) are laid over the image row by row, without those that stand before them.

    Args:
        values: A map or tokens.
        input_size: Height and width of the image; tokens have its proportions.
        name: Where they come from, for messages.

    Raises:
        ValueError: Tokens do not cover the image.
    """
    if values.dim() == 4:
        return values
    if values.dim() != 3:
        raise ValueError(f'features_from={name!r} gives values of shape {tuple(values.shape)}; expected a map (N, C, h, w) or '
                         'tokens (N, L, C).')
    count = values.shape[1]
    for extra in TOKENS_BEFORE:
        rows, columns = _rows_and_columns(input_size, count - extra)
        if rows * columns == count - extra:
            return values[:, extra:].transpose(1, 2).reshape(values.shape[0], values.shape[2], rows, columns)
    raise ValueError(f'features_from={name!r} gives {count} tokens, which do not cover an input of {tuple(input_size)} pixels row '
                     'by row. Name a layer before tokens are merged or put into windows.')


def _rows_and_columns(size: tuple[int, int], count: int) -> tuple[int, int]:
    """Rows and columns of this many tokens in the proportions of an image; tensors where a tracer gives sizes as tensors."""
    if torch.jit.is_tracing():
        height, width = (torch.as_tensor(side).double() for side in size)
        step = (height * width / torch.as_tensor(count).clamp(min=1)).sqrt()
        return torch.round(height / step).long(), torch.round(width / step).long()
    step = math.sqrt(size[0] * size[1] / max(count, 1))
    return round(size[0] / step), round(size[1] / step)

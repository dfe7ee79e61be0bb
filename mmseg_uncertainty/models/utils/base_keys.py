"""Checkpoints name the tensors of a base model as the base model does."""
from __future__ import annotations

from torch import Tensor, nn

HELD = 'base.network.'


def name_tensors_as_the_base(model: nn.Module) -> None:
    """Save and load the tensors of ``model.base.network`` without that prefix.

    Checkpoints of the base alone then load key for key, and those of the whole model are theirs with further keys.

    Args:
        model: A module with a child ``base`` that holds a ``network``.

    Raises:
        ValueError: A part of the network has the name of a part of the model.
    """
    shared = sorted({name for name, _ in model.base.network.named_children()} & {name for name, _ in model.named_children()})
    if shared:
        raise ValueError(f'{type(model).__name__}: the base model has parts named {shared}, which are names of its own; rename '
                         'them in the base model.')
    model._register_state_dict_hook(_shorten)
    # The public name is younger than torch 2.1.
    model._register_load_state_dict_pre_hook(_lengthen, with_module=True)


def _shorten(_: nn.Module, state: dict[str, Tensor], prefix: str, __: dict) -> None:
    for names in (state, getattr(state, '_metadata', {})):
        for key in list(names):
            value = names.pop(key)
            names[prefix + key[len(prefix + HELD):] if key.startswith(prefix + HELD) else key] = value


def _lengthen(model: nn.Module, state: dict[str, Tensor], prefix: str, *_) -> None:
    own = tuple(prefix + name + '.' for name, _ in model.named_children())
    for names in (state, getattr(state, '_metadata', {})):
        for key in list(names):
            if key.startswith(prefix) and key != prefix and not (key + '.').startswith(own):
                names[prefix + HELD + key[len(prefix):]] = names.pop(key)

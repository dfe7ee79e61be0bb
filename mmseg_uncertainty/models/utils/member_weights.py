"""Weights of several models in one."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from torch import Tensor, nn


class MemberWeights:
    """Put the weights of one model after the other into the modules of another.

    Tensors are exchanged, not copied, so that a change costs nothing but what loading costs.

    Args:
        model: The model whose base is exchanged.
        sources: One function per member that returns its tensors by key.
        keep: ``'all'`` keeps every member where the model is; ``'one'`` loads a member each time it is needed.

    Raises:
        ValueError: ``keep`` is unknown.
    """

    def __init__(self, model: nn.Module, sources: Sequence[Callable[[], Mapping[str, Tensor]]], keep: str = 'all') -> None:
        if keep not in ('all', 'one'):
            raise ValueError(f"keep={keep!r} is unknown; choose 'all' (fast) or 'one' (little memory).")
        self._model, self._sources, self._keep = (model, ), list(sources), keep
        self._kept: dict[int, dict[str, Tensor]] = {}

    def __len__(self) -> int:
        return len(self._sources)

    def __deepcopy__(self, _: dict) -> MemberWeights:
        raise TypeError('An ensemble cannot be copied; build it anew from its config.')

    @contextmanager
    def of(self, member: int) -> Iterator[None]:
        """Give the model the weights of one member, and its own back afterwards."""
        model, = self._model
        slots = self._slots(model, self._tensors(member, model))
        own = {key: _exchange(*slot) for key, slot in slots.items()}
        try:
            yield
        finally:
            for key, (module, name, _) in slots.items():
                _exchange(module, name, own[key])

    def _tensors(self, member: int, model: nn.Module) -> Mapping[str, Tensor]:
        kept = self._kept.get(member)
        own = model.state_dict(keep_vars=True)
        if kept is None or any(own[key].device != tensor.device for key, tensor in kept.items()):
            kept = {key: tensor.to(own[key]) for key, tensor in self._sources[member]().items()}
            if self._keep == 'all':
                self._kept[member] = kept
        return kept

    @staticmethod
    def _slots(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, tuple[nn.Module, str, Tensor]]:
        slots = {}
        for key, tensor in tensors.items():
            path, _, name = key.rpartition('.')
            slots[key] = (model.get_submodule(path), name, tensor)
        return slots


def _exchange(module: nn.Module, name: str, tensor: Tensor) -> Tensor:
    """Put a tensor into a module and return the one that was there."""
    parameter = module._parameters.get(name)
    if parameter is None:
        before, module._buffers[name] = module._buffers[name], tensor
        return before
    before, parameter.data = parameter.data, tensor
    return before

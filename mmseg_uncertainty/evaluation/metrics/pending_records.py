"""Records of images that wait on a device and come to the host together."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmseg_uncertainty.functional import device_counts


@dataclass(frozen=True)
class Later:
    """A tensor of a record and what the host makes of it.

    Args:
        value: Any shape.
        then: Takes ``value`` as an array once it is on the host; what it returns is what the record holds. It must not
            hold the maps of the image, which would then wait in memory too.
    """

    value: Tensor
    then: Callable[[np.ndarray], Any]


class PendingRecords:
    """Turns tensors of records into numbers: at once on the host, and from a device in one copy for many images.

    Reading a number from a device waits until it has computed everything it was given, so one number per image would
    keep it from ever working ahead. Tensors without dimensions become numbers, all others arrays.

    Args:
        images: How many images wait at most.
        size: How many bytes wait before the next copy; large records wait for fewer images.
    """

    def __init__(self, images: int = 32, size: int = 1 << 28) -> None:
        self._images, self._size = images, size
        self._waiting: list[dict] = []
        self._bytes = 0

    def add(self, record: dict) -> list[dict]:
        """Take the record of one image; returns those whose numbers are known now, in the order of their images."""
        tensors = list(_tensors(record))
        if not self._waiting and all(map(device_counts.on_host, tensors)):
            return [_resolved(record, (tensor.numpy() for tensor in tensors))]
        self._waiting.append(record)
        self._bytes += sum(tensor.nbytes for tensor in tensors)
        return self.collect() if len(self._waiting) >= self._images or self._bytes >= self._size else []

    def collect(self) -> list[dict]:
        """Bring all that wait to the host.

        Raises:
            Exception: Whatever the first :class:`Later` that refuses its value raises.
        """
        records, self._waiting, self._bytes = self._waiting, [], 0
        arrays = iter(_fetch([tensor for record in records for tensor in _tensors(record)]))
        return [_resolved(record, arrays) for record in records]


def _tensors(part: Any) -> Iterator[Tensor]:
    if isinstance(part, (dict, list)):
        for member in part.values() if isinstance(part, dict) else part:
            yield from _tensors(member)
    elif isinstance(part, (Tensor, Later)):
        yield part.value if isinstance(part, Later) else part


def _resolved(part: Any, arrays: Iterator[np.ndarray]) -> Any:
    if isinstance(part, dict):
        return {name: _resolved(member, arrays) for name, member in part.items()}
    if isinstance(part, list):
        return [_resolved(member, arrays) for member in part]
    if isinstance(part, Later):
        return part.then(next(arrays))
    if isinstance(part, Tensor):
        array = next(arrays)
        return array if array.ndim else array.item()
    return part


def _fetch(tensors: list[Tensor]) -> list[np.ndarray]:
    """Copy tensors of any type as the bytes of one; the widest come first, which keeps all of them aligned."""
    order = sorted(range(len(tensors)), key=lambda index: -tensors[index].element_size())
    parts = [tensors[index].reshape(-1).contiguous().view(torch.uint8) for index in order]
    data = torch.cat(parts).cpu().numpy() if parts else np.empty(0, np.uint8)
    arrays: list[np.ndarray] = [data] * len(tensors)
    start = 0
    for index, part in zip(order, parts):
        stop, dtype = start + part.numel(), torch.empty(0, dtype=tensors[index].dtype).numpy().dtype
        # A view would keep the bytes of all images for as long as one of them.
        arrays[index] = data[start:stop].view(dtype).reshape(tensors[index].shape).copy()
        start = stop
    return arrays

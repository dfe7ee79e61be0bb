"""Remembers what a frozen base model computed, so that a second method costs no forward pass."""
from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .map_store import MapStore, memory_order

FORMAT = 1
Maps = dict[str, Tensor | None]


class BaseOutputCache:
    """Outputs of one base model by the content of its input.

    The folder of a base model is named by its config and its weights, a file in it by the preprocessed image. Whatever
    decides the input (data, pipeline, augmentation, corruption, preprocessor, window of a slide) therefore decides
    the file, and an input that comes again is found however it came about.

    What is returned was rounded to the precision of the store, whether it was found or computed: results do not depend
    on how full the cache is.

    Args:
        directory: Folder shared by all base models.
        base: What identifies the base model, such as its config and the fingerprint of its weights; plain values.
        precision: ``'float16'`` or ``'float32'``.
        limit: Bytes that ``directory`` may hold.
    """

    def __init__(self,
                 directory: str | Path,
                 base: Mapping,
                 precision: str = 'float16',
                 limit: int = 50 * 10**9) -> None:
        identity = dict(base=base, precision=precision, format=FORMAT)
        identity = json.dumps(identity, sort_keys=True, default=str, indent=1)
        folder = Path(directory) / hashlib.sha256(identity.encode()).hexdigest()[:16]
        self.store = MapStore(folder, precision, limit, bounded=directory)
        self.found = self.computed = self.passes = 0
        _describe(folder / 'base.json', identity)

    def __call__(self, inputs: Tensor, names: Sequence[str], salt: str, run: Callable[[Tensor], Maps]) -> Maps:
        """Outputs for a batch; only what is missing is computed.

        Args:
            inputs: Preprocessed images, shape (N, C, H, W).
            names: Maps that are needed.
            salt: What else decides the outputs.
            run: The base model: maps of some images by name, ``None`` for maps that it does not have.

        Returns:
            Maps of all images by name, float32, on the device of the inputs; ``None`` for those the model lacks.
        """
        keys = [_fingerprint(image, salt) for image in inputs]
        items = [self._read(key, names) for key in keys]
        missing = [index for index, item in enumerate(items) if item is None]
        if missing:
            self._fill(items, keys, missing, run(inputs if len(missing) == len(items) else inputs[missing]))
        if _mixed(items):
            missing = list(range(len(items)))
            self._fill(items, keys, missing, run(inputs))
        self.found += len(items) - len(missing)
        return {name: _stacked([item[name] for item in items], inputs.device) for name in names}

    def _fill(self, items: list[dict | None], keys: list[str], missing: list[int], maps: Maps) -> None:
        self.passes += 1
        self.computed += len(missing)
        for row, index in enumerate(missing):
            items[index] = {}
            for name, values in maps.items():
                array = np.empty(0, np.float32) if values is None else values[row].detach().float().cpu().numpy()
                self.store.write(f'{keys[index]}.{name}', array)
                items[index][name] = self.store.rounded(array)

    def _read(self, key: str, names: Sequence[str]) -> dict[str, np.ndarray] | None:
        item = {}
        for name in names:
            item[name] = self.store.read(f'{key}.{name}')
            if item[name] is None:
                return None
        return item

    def reproduces(self, maps: Tensor, expected: Tensor) -> bool:
        """Whether maps are others: bit for bit in ``float32``, up to its rounding in ``float16``."""
        if self.store.precision == np.float32:
            return torch.equal(maps, expected)
        tolerance = float(np.finfo(np.float16).eps) * expected.abs().max()
        return maps.shape == expected.shape and bool((maps - expected).abs().max() <= tolerance)

    def summary(self) -> str:
        """What the cache saved, in one line."""
        return (f'Cache {self.store.directory}: {self.found} inputs found, {self.computed} computed in {self.passes} '
                'forward passes of the base model.')


def _fingerprint(image: Tensor, salt: str) -> str:
    digest = hashlib.sha256(f'{tuple(image.shape)} {image.dtype} {salt}'.encode())
    digest.update(image.detach().cpu().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()[:32]


def _mixed(items: Sequence[Mapping[str, np.ndarray]]) -> bool:
    """Whether images of one batch have different maps."""
    return len({tuple(sorted((name, values.shape) for name, values in item.items())) for item in items}) > 1


def _stacked(arrays: Sequence[np.ndarray], device: torch.device) -> Tensor | None:
    if not arrays[0].size:
        return None
    axes = memory_order(arrays[0])
    stacked = torch.from_numpy(np.stack([array.transpose(axes) for array in arrays])).to(device)
    return stacked.permute(0, *(1 + axis for axis in np.argsort(axes)))


def _describe(path: Path, identity: str) -> None:
    partial = path.with_name(f'.{uuid.uuid4().hex}.partial')
    partial.write_text(identity, encoding='utf-8')
    os.replace(partial, path)

"""One pass of a base model, through a cache."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmseg_uncertainty.caching import BaseOutputCache, LastPass
from mmseg_uncertainty.functional.compiled import autocast_precision
from mmseg_uncertainty.models.utils.feature_groups import kept_features

from .frozen_base import BasePass, FrozenBase


def cached_pass(base: FrozenBase, cache: BaseOutputCache | LastPass, features: str | None, inputs: Tensor,
                metas: Sequence[Mapping], layers: Sequence[str] = ()) -> BasePass:
    """What a base model gives for a batch; only what the cache lacks is computed.

    Kept is the output where the classifier works. That at input size is kept only where it is not what the base model makes
    of the former by itself.

    Args:
        base: The base model.
        cache: Where outputs are kept.
        features: Which map of features is kept, see :func:`~mmseg_uncertainty.models.utils.features_name`; ``None`` keeps none.
        inputs: Preprocessed images, shape (N, 3, H', W').
        metas: ``metainfo`` of each image.
        layers: Names of other layers that are read, kept too.
    """
    def run(missing: Tensor) -> dict[str, Tensor | None]:
        passed = base(missing, metas[:1] * len(missing), layers)
        if passed.native is None:
            maps = dict(logits=passed.scores, native_logits=None)
        else:
            resized = base.at_input_size(passed.native, missing.shape[2:], metas)
            kept = None if cache.reproduces(resized, passed.scores) else passed.scores
            maps = dict(logits=kept, native_logits=passed.native)
        kept_layers = {files[name]: passed.layers[name] for name in layers}
        return maps | ({features: kept_features(passed.features, features)} if features else {}) | kept_layers

    files = {name: _file_name(name) for name in layers}
    names = ['logits', 'native_logits', *([features] if features else []), *files.values()]
    maps = cache(inputs, names, _circumstances(inputs, base.frozen.precision), run)
    scores = maps['logits']
    if scores is None:
        scores = base.at_input_size(maps['native_logits'], inputs.shape[2:], metas)
    return BasePass(scores, maps['native_logits'], maps.get(features), layers={name: maps[file] for name, file in files.items()})


def _file_name(layer: str) -> str:
    """Name of a kept layer, without what file systems do not take."""
    return f'layer_{layer.replace(":", "-")}'


def _circumstances(inputs: Tensor, precision: torch.dtype | None) -> str:
    """What decides the outputs of the base model besides its input and its weights."""
    device = inputs.device.type
    if precision is None:
        precision = autocast_precision(device) or inputs.dtype
    return f'{tuple(inputs.shape[2:])} {precision}'

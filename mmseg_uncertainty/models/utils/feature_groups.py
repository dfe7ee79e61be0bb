"""Which features a cache must keep for the modules that read them."""
from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from mmseg_uncertainty.functional.flow_inputs import pool_channels

FEATURES = 'features'


def features_name(modules: Iterable[nn.Module]) -> str | None:
    """Name of the smallest map of features that serves all modules.

    A module whose attribute ``feature_groups`` is P reads averages of P groups of channels and gets the same from those
    averages; they are kept in place of the features where all modules agree on P.

    Args:
        modules: Heads and calibrators.

    Returns:
        ``'features'``, ``'features_<P>'``, or ``None`` where no module reads features.
    """
    groups = {getattr(module, 'feature_groups', None) for module in modules
              if getattr(module, 'needs_features', False) and getattr(module, 'features_from', None) is None}
    if not groups:
        return None
    return FEATURES if len(groups) > 1 or None in groups else f'{FEATURES}_{groups.pop()}'


def layers_read(modules: Iterable[nn.Module]) -> tuple[str, ...]:
    """Names of the layers that modules read besides the classifier, each once."""
    return tuple(dict.fromkeys(name for module in modules for name in getattr(module, 'layers', ())))


def kept_features(features: Tensor | None, name: str) -> Tensor | None:
    """The map of this name.

    Args:
        features: Shape (N, C, h, w), or ``None`` where the base model has none.
        name: As :func:`features_name` returns it.
    """
    return features if features is None or name == FEATURES else pool_channels(features, int(name.split('_')[1]))

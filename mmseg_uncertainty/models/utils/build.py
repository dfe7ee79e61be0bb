"""Builds named modules from configs."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import nn


def build_named(configs: dict[str, dict], kind: str) -> nn.ModuleDict:
    """Build one module per name.

    Args:
        configs: Configs by name.
        kind: What they are, for messages.

    Raises:
        KeyError: A type is not registered; the message lists those of the same kind that are.
        ValueError: A name cannot be a key of the results.
    """
    modules = nn.ModuleDict()
    for name, config in configs.items():
        if not name.isidentifier():
            raise ValueError(f'The name {name!r} of an {kind} must be a Python identifier, it becomes a field of the '
                             'results.')
        kind_type = config.get('type')
        if isinstance(kind_type, str) and MODELS.get(kind_type) is None:
            known = sorted(key for key, value in MODELS.module_dict.items()
                           if value.__module__.startswith('mmseg_uncertainty') and key.endswith('Head'))
            raise KeyError(f'{kind} {name!r} has the unknown type {kind_type!r}; this package offers {known}.')
        modules[name] = MODELS.build(config)
    return modules

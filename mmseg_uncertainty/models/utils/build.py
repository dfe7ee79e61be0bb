"""Builds named modules from configs."""
from __future__ import annotations

import inspect

from mmseg.registry import MODELS
from torch import nn


def build_named(configs: dict[str, dict], kind: str, num_classes: int) -> nn.ModuleDict:
    """Build one module per name.

    Args:
        configs: Configs by name.
        kind: What they are, for messages.
        num_classes: Classes of the base model, given to modules that take ``num_classes`` and are not told.

    Raises:
        KeyError: A type is not registered; the message lists those of the same kind that are.
        ValueError: A name cannot be a key of the results.
    """
    modules = nn.ModuleDict()
    for name, config in configs.items():
        if not name.isidentifier():
            raise ValueError(f'The name {name!r} of an {kind} must be a Python identifier, it becomes a field of the '
                             'results.')
        module_class = _class_of(name, config, kind)
        known = dict(num_classes=num_classes) if 'num_classes' in inspect.signature(module_class).parameters else {}
        modules[name] = MODELS.build({**known, **config})
    return modules


def _class_of(name: str, config: dict, kind: str) -> type:
    kind_type = config.get('type')
    module_class = kind_type if inspect.isclass(kind_type) else MODELS.get(str(kind_type))
    if module_class is None:
        own = sorted(key for key, value in MODELS.module_dict.items()
                     if value.__module__.startswith('mmseg_uncertainty') and key.endswith('Head'))
        raise KeyError(f'{kind} {name!r} has the unknown type {kind_type!r}; this package offers {", ".join(own)}.')
    return module_class

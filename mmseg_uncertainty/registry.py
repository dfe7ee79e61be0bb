"""The scope ``mmseg_uncertainty``, which configs that inherit ``mmseg_uncertainty::…`` get from mmengine.

Its registries are children of mmseg's and hold nothing: what they do not find, they take from their parents, where the
classes of this package are registered.
"""
from __future__ import annotations

from mmengine.registry import Registry
from mmseg import registry as mmseg_registry

SCOPE = 'mmseg_uncertainty'
REGISTRIES = {
    name: Registry(parent.name, parent=parent, scope=SCOPE, locations=[f'{SCOPE}.registered'])
    for name, parent in vars(mmseg_registry).items() if isinstance(parent, Registry)
}

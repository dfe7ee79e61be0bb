"""Names of a package that are imported once they are asked for."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(package: str, places: Mapping[str, str], own: Mapping[str, object]) -> tuple[Callable[[str], object],
                                                                                         Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: Its name.
        places: Module of each name, relative to the package.
        own: What the package holds already, its ``globals()``.
    """

    def get(name: str) -> object:
        if name not in places:
            raise AttributeError(f'module {package!r} has no attribute {name!r}')
        return getattr(import_module(f'{package}.{places[name]}'), name)

    return get, lambda: sorted([*own, *places])

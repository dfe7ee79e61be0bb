"""Keys of results."""
from __future__ import annotations


def head_and_name(key: str) -> tuple[str, str]:
    """Head and name in a key ``HEAD/NAME[PROTOCOL]`` or ``NAME[PROTOCOL]``, whose head is ``''``.

    Heads are identifiers; a name may end in that of a class, with whatever letters this has.
    """
    head, slash, name = key.partition('/')
    return (head, name) if slash and head.isidentifier() else ('', key)

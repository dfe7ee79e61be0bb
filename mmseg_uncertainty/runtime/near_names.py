"""Names that someone may have meant."""
from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable


def did_you_mean(name: str, names: Iterable[str], most: int = 1, cutoff: float = 0.6,
                 shown: Callable[[str], object] = str) -> str:
    """``' Did you mean X?'`` for a message about a name that is unknown, ``''`` where no other is like it.

    Args:
        name: What was given.
        names: What is known; upper and lower case count as the same.
        most: How many names are told at most.
        cutoff: Least similarity in [0, 1], as :func:`difflib.get_close_matches` measures it.
        shown: How a message writes a name that is known.

    Examples:
        >>> did_you_mean('entropi', ['msp', 'entropy', 'margin'])
        ' Did you mean entropy?'
        >>> did_you_mean('xyz', ['msp', 'entropy', 'margin'])
        ''
    """
    by_lower = {known.lower(): known for known in names}
    close = difflib.get_close_matches(name.lower(), by_lower, n=most, cutoff=cutoff)
    return f' Did you mean {" or ".join(str(shown(by_lower[known])) for known in close)}?' if close else ''

"""The address of the page keeps what was chosen, so that a link shows the same again."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

# Runs in the browser: writes values into the address without loading the page again.
KEEP = """(...values) => {{
  const names = {names}, query = new URLSearchParams(location.search);
  names.forEach((name, index) => query.set(name, values[index]));
  history.replaceState(null, '', '?' + query);
}}"""


def keep(names: Sequence[str]) -> str:
    """JavaScript that keeps values of these names."""
    return KEEP.format(names=list(names))


def keep_word(name: str, word: str) -> str:
    """JavaScript that keeps a word under a name."""
    return f'() => ({keep([name])})({word!r})'


def number(query: Mapping[str, str], name: str, low: float, high: float) -> float | None:
    """A number of a link, ``None`` where there is none in the range."""
    try:
        value = float(query.get(name, ''))
    except ValueError:
        return None
    return value if low <= value <= high else None


def choice(query: Mapping[str, str], name: str, known: Sequence[str]) -> str | None:
    """A word of a link, ``None`` where it is not known."""
    return query.get(name) if query.get(name) in known else None

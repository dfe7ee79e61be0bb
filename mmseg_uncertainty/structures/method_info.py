"""The record every method carries about itself."""
from __future__ import annotations

from dataclasses import dataclass

NEEDS = frozenset({'logits', 'features', 'images', 'labels', 'queries'})


@dataclass(frozen=True)
class MethodInfo:
    """What a method is and what it needs; the table of methods in the docs is rendered from it.

    Args:
        title: Title of the source, or the plain name of a method that has none.
        authors: Authors of the source, ``''`` for folklore.
        year: Year of the source.
        needs: What the method reads, out of :data:`NEEDS`.
        fitted: Whether the method must be fitted before it can be used.
        venue: Conference or journal of the source.
        url: Where the source can be read.
        unit: Unit of a score; every score is higher where it is more uncertain.
        meaning: What a high score says of a pixel, in words that follow "higher = ".
    """

    title: str
    authors: str
    year: int
    needs: frozenset[str] | set[str] = frozenset({'logits'})
    fitted: bool = False
    venue: str = ''
    url: str = ''
    unit: str = 'raw score'
    meaning: str = 'more uncertain'

    def __post_init__(self) -> None:
        unknown = set(self.needs) - NEEDS
        if unknown:
            raise ValueError(f'MethodInfo({self.title!r}): unknown needs {sorted(unknown)}; choose from {sorted(NEEDS)}.')
        object.__setattr__(self, 'needs', frozenset(self.needs))

"""A command with one thing broken, and what may come of it."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

REFUSED, SAME, EITHER = 'refused', 'same', 'either'


def nothing(folder: Path, random: Random) -> None:
    """Leave the files as they are."""


@dataclass(frozen=True)
class Case:
    """One run.

    Args:
        call: Name of the sound call of :mod:`tests.fuzzing.sound` that it breaks.
        kind: ``'file'``, ``'option'``, ``'config'`` or ``'output'``.
        what: What is broken; with ``call`` it identifies the case.
        words: The whole command line behind the program.
        breaks: Breaks files of a folder; all that is random in it comes from the generator.
        expects: :data:`REFUSED`; :data:`SAME`, the result of the sound call; or :data:`EITHER`, a right result or a refusal.
        names: Words of which a refusal has to hold one.
        limits: Limits of the process, see :func:`~tests.fuzzing.forked.run_forked`.
    """

    call: str
    kind: str
    what: str
    words: tuple[str, ...]
    breaks: Callable[[Path, Random], None] = nothing
    expects: str = REFUSED
    names: tuple[str, ...] = ()
    limits: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What identifies it."""
        return f'{self.call}: {self.what}'

    @property
    def command(self) -> str:
        """The command that runs."""
        return self.words[0]

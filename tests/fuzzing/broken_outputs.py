"""Places where results cannot go, or must not."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from .case import EITHER, REFUSED, SAME, Case, nothing
from .sound import CALLS, OUTPUTS

DISKS = (0, 100, 3000, 60000)
Change = Callable[[Path, Random], None]


def output_cases() -> Iterator[Case]:
    """Every place that a call writes to, taken, locked, below a file, under an odd name, or full."""
    for call, outputs in OUTPUTS.items():
        for option, is_folder in outputs.items():
            flag = f'--{option.replace("_", "-")}'
            own = CALLS[call][CALLS[call].index(flag) + 1]
            for what, name, change, expects in _places(own, is_folder):
                words = tuple(name if word == own else word for word in CALLS[call])
                yield Case(call, 'output', f'{flag} {what}', words, change, expects, (flag, name[:30]),
                           dict(own_rights=True) if 'locked' in what else {})
        for size in DISKS if outputs else ():
            yield Case(call, 'output', f'on a disk with room for {size} bytes', CALLS[call], expects=EITHER,
                       limits=dict(file_size=size))


def _places(name: str, is_folder: bool) -> Iterator[tuple[str, str, Change, str]]:
    """What, the name to write to, what is done before, and what may come of it."""
    suffix = Path(name).suffix
    yield 'below a file', f'other.json/{name}', nothing, REFUSED
    yield 'below a locked folder', f'closed/{name}', _closed, REFUSED
    yield 'below folders that are not there', f'a/b/{name}', nothing, SAME
    yield 'under an odd name', f'größe b#1 %20/{name}', nothing, SAME
    yield 'under a name too long', 'x' * 300 + suffix, nothing, REFUSED
    yield 'behind a link to itself', f'loop/{name}', lambda folder, random: (folder / 'loop').symlink_to('loop'), REFUSED
    yield 'behind a link to nothing', name, lambda folder, random: (folder / name).symlink_to('nowhere/at/all'), EITHER
    if is_folder:
        yield 'is a file', 'other.json', nothing, REFUSED
        yield 'holds other files', name, _filled(name), SAME
    else:
        yield 'is a folder', name, lambda folder, random: (folder / name).mkdir(), REFUSED
        yield 'is there already', name, lambda folder, random: (folder / name).write_text('{}\n'), SAME
        yield 'is there and locked', name, _locked(name), REFUSED


def _closed(folder: Path, random: Random) -> None:
    (folder / 'closed').mkdir(mode=0o500)


def _filled(name: str) -> Change:
    def fill(folder: Path, random: Random) -> None:
        (folder / name).mkdir()
        (folder / name / 'mine.txt').write_text('kept\n')

    return fill


def _locked(name: str) -> Change:
    def lock(folder: Path, random: Random) -> None:
        (folder / name).write_text('{}\n')
        (folder / name).chmod(0o400)

    return lock

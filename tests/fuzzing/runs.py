"""Draws cases, runs them in folders of their own, and counts what came of them."""
from __future__ import annotations

import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

from .broken_configs import config_cases
from .broken_files import file_cases
from .broken_options import option_cases
from .broken_outputs import output_cases
from .case import Case
from .forked import Outcome, run_forked
from .judge import Verdict, judge, listing, result
from .sound import CALLS, write_sound


def all_cases() -> list[Case]:
    """Every breakage of every call, each once."""
    made = (*file_cases(), *option_cases(), *config_cases(), *output_cases())
    return list({case.name: case for case in made}.values())


def drawn(cases: Iterable[Case], seed: int) -> list[Case]:
    """All cases in an order in which calls and kinds of breakages take turns, however few of them are run."""
    groups = defaultdict(list)
    for case in cases:
        groups[case.call, case.kind].append(case)
    random = Random(seed)
    turns = []
    for group in groups.values():
        random.shuffle(group)
        turns += [(index, random.random(), case) for index, case in enumerate(group)]
    return [case for *_, case in sorted(turns, key=lambda turn: turn[:2])]


class Workplace:
    """A folder of sound files, their sound results, and folders of single cases.

    Args:
        folder: An empty folder.
        seed: Seed of what is random in a breakage.
    """

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder, self.seed = folder, seed
        self.sound = folder / 'sound'
        self.sound.mkdir(parents=True)
        import_commands()
        write_sound(self.sound)
        self._results: dict[str, object] = {}

    def run(self, case: Case, keep: bool = False) -> tuple[Verdict, Outcome]:
        """Run a case, and judge it."""
        sound = self._result(case.call)
        place = self.folder / 'case'
        self._clear(place)
        shutil.copytree(self.sound, place, symlinks=True)
        case.breaks(place, Random(f'{self.seed} {case.name}'))
        before = listing(place)
        outcome = run_forked(case.words, place, **case.limits)
        verdict = judge(case, outcome, before, place, sound)
        if not keep:
            self._clear(place)
        return verdict, outcome

    def _result(self, call: str) -> object:
        """The result of a sound call, which has to be right."""
        if call not in self._results:
            if call == 'infer_onnx':
                self._need(run_forked((*CALLS['export_onnx'][:3], '--out', 'model.onnx', '--sizes', '64x96'), self.sound))
            place = self.folder / call
            shutil.copytree(self.sound, place)
            outcome = run_forked(CALLS[call], place)
            self._need(outcome)
            self._results[call] = result(Case(call, '', '', CALLS[call]), outcome, place)
            self._clear(place)
        return self._results[call]

    @staticmethod
    def _need(outcome: Outcome) -> None:
        if outcome.code != 0:
            raise RuntimeError(f'a sound call ended with {outcome.code}: {outcome.err[-2000:]}')

    @staticmethod
    def _clear(place: Path) -> None:
        for path in (place, place.with_name(f'{place.name}.tmp')):
            shutil.rmtree(path, ignore_errors=True)


def import_commands() -> None:
    """Import once what every fork needs."""
    import mmseg_uncertainty.registered  # noqa: F401  (connects the host)
    from mmengine.registry import init_default_scope

    from mmseg_uncertainty.cli import export, fit, infer, sweep, test, train  # noqa: F401
    init_default_scope('mmseg')


def run_cases(place: Workplace, cases: Iterable[Case], seconds: float = float('inf')) -> Iterator[tuple[Case, Verdict]]:
    """Run cases until they or the time are at an end."""
    end = time.monotonic() + seconds
    for case in cases:
        if time.monotonic() > end:
            return
        yield case, place.run(case)[0]

"""Drive every command with broken files, options, configs and outputs, and say which runs end neither right nor with a line.

A run is accepted if it gives the right result, or one line that names what is wrong, and leaves nothing half-written.
"""
from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tqdm.auto import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mmseg_uncertainty.cli.quiet_output import quiet_output  # noqa: E402
from tests.fuzzing.judge import MESSAGE, RIGHT  # noqa: E402
from tests.fuzzing.runs import Workplace, all_cases, drawn, run_cases  # noqa: E402


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', nargs='+', default=[], metavar='WORD', help='commands of these names, such as fit')
    parser.add_argument('--kinds', nargs='+', choices=['file', 'option', 'config', 'output'], help='breakages of these kinds')
    parser.add_argument('--cases', type=int, metavar='N', help='most cases; default: all')
    parser.add_argument('--seconds', type=float, default=float('inf'), metavar='N', help='begin no case after this time')
    parser.add_argument('--seed', type=int, default=0, help='seed of the order, and of what is random in a breakage')
    parser.add_argument('--case', metavar='NAME', help='run this case alone, show what it says, and keep its folder')
    return parser.parse_args()


def table(counts: dict[str, Counter]) -> str:
    """Counts of every command."""
    lines = ['| command | cases | right results | one-line messages | failures |', '|---|---|---|---|---|']
    total = Counter()
    for command, count in counts.items():
        lines.append(_row(command, count))
        total += count
    return '\n'.join([*lines, _row('all', total)])


def _row(name: str, count: Counter) -> str:
    return f'| {name} | {sum(count.values())} | {count[RIGHT]} | {count[MESSAGE]} | {count["failure"]} |'


def show_case(name: str, seed: int) -> int:
    """Run one case, and show all of it."""
    case = next((case for case in all_cases() if case.name == name), None)
    if case is None:
        sys.exit(f'--case {name}: there is no such case; names are those that a run lists.')
    place = Workplace(Path(tempfile.mkdtemp(prefix='fuzz_')), seed)
    verdict, outcome = place.run(case, keep=True)
    print(f'{shlex.join(case.words)}\n{outcome.out}\n{outcome.err}\nexit status {outcome.code}; files: {place.folder / "case"}')
    print('\n'.join([verdict.kind, *verdict.faults]))
    return int(bool(verdict.faults))


def main() -> int:
    """Run the tool; its exit status."""
    args = parse_args()
    if args.case:
        return show_case(args.case, args.seed)
    cases = [case for case in all_cases() if (not args.only or case.command in args.only)
             and (not args.kinds or case.kind in args.kinds)]
    cases = drawn(cases, args.seed)[:args.cases]
    # A thread of the bar must not live in forks.
    tqdm.monitor_interval = 0
    counts: dict[str, Counter] = {}
    failures = []
    with tempfile.TemporaryDirectory(prefix='fuzz_') as folder, quiet_output(), tqdm(total=len(cases), unit='case') as bar:
        for case, verdict in run_cases(Workplace(Path(folder), args.seed), cases, args.seconds):
            counts.setdefault(case.command, Counter())[verdict.kind] += 1
            if verdict.faults:
                failures.append((case, verdict))
                bar.write(f'{case.name}: {"; ".join(verdict.faults)}')
            bar.set_postfix(failures=len(failures))
            bar.update()
    for case, verdict in failures:
        print(f'{case.name}: {"; ".join(verdict.faults)}\n'
              f'    python tools/fuzz_commands.py --seed {args.seed} --case {shlex.quote(case.name)}')
    print(table(counts))
    return int(bool(failures))


if __name__ == '__main__':
    sys.exit(main())

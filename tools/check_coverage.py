"""Compare the coverage that was measured with its floors, and name the files that fell.

``make coverage`` measures and calls this. With --write the floors become what was measured, less five points of leeway, since
tests draw examples at random.
"""
from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

FLOORS = Path(__file__).resolve().parents[1] / 'tests/coverage_floors.json'
LEEWAY = 5.


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('measured', type=Path, metavar='FILE.json', help='report of coverage.py in JSON')
    parser.add_argument('--floors', type=Path, default=FLOORS, metavar='FILE.json', help='default: tests/coverage_floors.json')
    parser.add_argument('--write', action='store_true', help='write the floors instead')
    return parser.parse_args()


def percentages(report: dict) -> dict[str, float]:
    """Percent of the lines that ran, by file, and of all under ``all``; files without code are left out."""
    files = {name.replace('\\', '/'): file['summary'] for name, file in report['files'].items()}
    return {'all': report['totals']['percent_covered'],
            **{name: summary['percent_covered'] for name, summary in files.items() if summary['num_statements']}}


def floors_of(measured: dict[str, float]) -> dict[str, float]:
    """Floors below what was measured: one for all files together, and one for each that is not covered to 100 %."""
    return {name: max(math.floor(value - LEEWAY), 0) for name, value in measured.items() if name == 'all' or value < 100}


def fallen(measured: dict[str, float], floors: dict[str, float]) -> list[str]:
    """A line for each file below its floor, which is 100 less the leeway for files without one of their own."""
    return [f'{name}: {value:.1f} % of the lines ran, the floor is {floor:g} %' for name, value in measured.items()
            if value < (floor := floors.get(name, 100 - LEEWAY))]


def main() -> None:
    """Run the tool."""
    args = parse_args()
    measured = percentages(json.loads(args.measured.read_text(encoding='utf-8')))
    if args.write:
        args.floors.write_text(json.dumps(floors_of(measured), indent=1) + '\n', encoding='utf-8')
        print(f'{args.floors}: floors of {len(measured) - 1} files, {measured["all"]:.1f} % together')
        return
    if not args.floors.is_file():
        sys.exit(f'{args.floors} does not exist. Write it with --write.')
    below = fallen(measured, json.loads(args.floors.read_text(encoding='utf-8')))
    if below:
        sys.exit('\n'.join(['Coverage fell:', *below, 'Test the lines that --cov-report=term-missing names.']))
    print(f'Coverage {measured["all"]:.1f} %, no file below its floor.')


if __name__ == '__main__':
    main()

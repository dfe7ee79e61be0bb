"""Measures functions in turns, so that other load on the machine hits all alike."""
from __future__ import annotations

import argparse
import gc
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch

from mmseg_uncertainty.apis import versions, write_json
from mmseg_uncertainty.runtime.freed_memory import return_freed_memory
from mmseg_uncertainty.runtime.output_files import whole_file


def seconds_in_turns(functions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Shortest time of each function after one round that warms up.

    With one thread it is the time of the processor, which other processes disturb least; else the time on the clock.
    """
    clock = time.process_time if torch.get_num_threads() == 1 and not torch.cuda.is_available() else time.perf_counter
    times = {name: [] for name in functions}
    for _ in range(rounds + 1):
        for name, function in functions.items():
            start = clock()
            function()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            times[name].append(clock() - start)
    return {name: min(values[1:]) for name, values in times.items()}


def extra_megabytes(function: Callable[[], object]) -> float:
    """Growth of the resident memory at its peak while a function runs, on Linux."""
    gc.collect()
    return_freed_memory()
    Path('/proc/self/clear_refs').write_text('5', encoding='ascii')
    before = status_megabytes('VmRSS')
    function()
    return status_megabytes('VmHWM') - before


def status_megabytes(field: str) -> float:
    """Memory of this process: ``VmRSS`` now, ``VmHWM`` at its peak."""
    lines = Path('/proc/self/status').read_text(encoding='utf-8').splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e6


def row(name: str, ours: float, peer: float | None, unit: str, protocol: str, ratio: float | None = None) -> dict:
    """One row of a table; unless told, the ratio is that of the peer to ours, infinite where ours is zero."""
    if ratio is None and peer is not None:
        ratio = peer / ours if ours else math.inf
    return dict(name=name, ours=ours, peer=peer, ratio=ratio, unit=unit, protocol=protocol)


def run_benchmark(description: str, parts: Callable[[argparse.Namespace], Iterable[dict]],
                  add_options: Callable[[argparse.ArgumentParser], None] = lambda parser: None, **peers: str) -> None:
    """Command line of a benchmark: print its rows as they come and write them with versions and machine.

    Args:
        description: What is measured.
        parts: Yields rows.
        add_options: Adds options of this benchmark alone.
        peers: Versions of other packages that were measured.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--quick', action='store_true', help='smaller sizes, under a minute')
    parser.add_argument('--threads', type=int, default=torch.get_num_threads(), metavar='N',
                        help='threads of each process; default: %(default)s')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the rows here')
    add_options(parser)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = []
    for entry in parts(args):
        rows.append(entry)
        ratio = '' if entry['ratio'] is None or math.isnan(entry['ratio']) else f'{entry["ratio"]:.3g}x'
        peer = '' if entry['peer'] is None else f'{entry["peer"]:.4g}'
        sys.stdout.write(f'{entry["name"]:<58}{entry["ours"]:>10.4g}{peer:>10} {entry["unit"]:<9}{ratio:>8}  '
                         f'{entry["protocol"]}\n')
        sys.stdout.flush()
    if args.json:
        machine = dict(processor=processor(), cores=os.cpu_count(), threads=args.threads, load=os.getloadavg()[0])
        write_json(args.json, dict(machine=machine, versions=versions() | peers, rows=rows))


def write_generated(page: Path, begin: str, text: str, end: str) -> None:
    """Replace what stands in a page from one mark to the other, marks included."""
    whole = page.read_text(encoding='utf-8')
    start, stop = whole.index(begin), whole.index(end) + len(end)
    with whole_file(page) as partial:
        partial.write_text(whole[:start] + text + whole[stop:], encoding='utf-8')


def processor() -> str:
    """Name of the processor, and of the accelerator if there is one."""
    lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines() if Path('/proc/cpuinfo').is_file() else []
    name = next((line.split(':')[1].strip() for line in lines if line.startswith('model name')), platform.machine())
    return f'{name}, {torch.cuda.get_device_name()}' if torch.cuda.is_available() else name

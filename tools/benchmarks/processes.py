"""Calibration and test in two processes of one thread each, beside one such process; images are loaded in the thread too."""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from side_by_side import row, run_benchmark

ROOT = Path(__file__).resolve().parents[2]
CONFIG = 'local_configs/segformer/segformer_b0_toy_roads_CRC.py'
CHECKPOINT = 'checkpoints/segformer_b0_toy_roads.pth'


def calibrate_and_test(processes: int, images: int, folder: Path) -> tuple[float, dict]:
    """Seconds, and the metrics."""
    start = time.perf_counter()
    # Workers that load images would give the one process a second core.
    loaders = [f'{loader}_dataloader.{option}' for loader in ('train', 'test')
               for option in (f'dataset.length={images}', 'num_workers=0', 'persistent_workers=False')]
    options = ['--work-dir', folder, '--cfg-options', *loaders]
    _run(processes, 'train.py', CONFIG, '--load-from', CHECKPOINT, *options)
    _run(processes, 'test.py', CONFIG, folder / 'calibrated.pth', '--eval', 'coverage', '--out', folder / 'out.json', *options)
    seconds = time.perf_counter() - start
    return seconds, json.loads((folder / 'out.json').read_text(encoding='utf-8'))['metrics']


def _run(processes: int, tool: str, *arguments: str | Path) -> None:
    launcher, options = [sys.executable], []
    if processes > 1:
        launcher += ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', str(processes)]
        options = ['--launcher', 'pytorch']
    subprocess.run([*launcher, ROOT / 'tools' / tool, *map(str, arguments), *options], cwd=ROOT, check=True,
                   capture_output=True, env=dict(os.environ, OMP_NUM_THREADS='1', MKL_NUM_THREADS='1'))


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Rows of the table: the time with few images is the start, what more images add is the work."""
    few, many = (4, 24) if args.quick else (10, 410)
    seconds, metrics = {}, {}
    for images in (few, many):
        for processes in (1, 2):
            with tempfile.TemporaryDirectory() as folder:
                seconds[processes, images], metrics[processes] = calibrate_and_test(processes, images, Path(folder))
    equal = 'equal' if metrics[1] == metrics[2] else 'NOT EQUAL'
    load = f'load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores'
    yield row('calibration and test, two processes beside one', seconds[2, many], seconds[1, many], 's',
              f'{many} images each, start of Python included; metrics {equal}; {load}')
    work = {processes: seconds[processes, many] - seconds[processes, few] for processes in (1, 2)}
    yield row('the same without start', work[2], work[1], 's', f'what {many - few} further images add; {load}')


if __name__ == '__main__':
    run_benchmark(__doc__, rows)

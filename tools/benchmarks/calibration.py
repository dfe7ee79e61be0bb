"""Temperature fits: ours beside the published grid search and fiducio; memory and passes of the streamed fit."""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch
from side_by_side import row, run_benchmark, status_megabytes
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.functional.temperature import PUBLISHED_GRID, fit_temperature
from mmseg_uncertainty.label_values import VOID
from mmseg_uncertainty.models.calibrators import TemperatureScaling
from mmseg_uncertainty.runtime.freed_memory import FreedMemory
from mmseg_uncertainty.structures import FrozenOutputs

CLASSES, PLANTED = 19, 2.5
FRAME = 1024, 2048
BINS = 15
BLOCK = 1 << 16
VOID_SHARE = 0.05


def pixels(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits (19, n) that are 2.5 times too large, and labels (n,) drawn from the right ones."""
    generator = torch.Generator().manual_seed(seed)
    logits, labels = torch.empty(CLASSES, count), torch.empty(count, dtype=torch.int64)
    for start in range(0, count, BLOCK):
        part = logits[:, start:start + BLOCK]
        part.normal_(0, 3, generator=generator)
        noise = torch.empty_like(part).exponential_(generator=generator).log_()
        labels[start:start + BLOCK] = (part - noise).argmax(dim=0)
        part.mul_(PLANTED)
    return logits, labels


def frame(index: int) -> tuple[Tensor, Tensor]:
    """A frame of its own for every index, in the memory of one; the first rows are void."""
    size = FRAME[0] * FRAME[1]
    logits, labels = torch.empty(CLASSES, size), torch.empty(size, dtype=torch.int64)
    known_logits, known_labels = pixels(BLOCK, index)
    for start in range(0, size, BLOCK):
        logits[:, start:start + BLOCK] = known_logits
        labels[start:start + BLOCK] = known_labels
    labels[:int(VOID_SHARE * size)] = VOID
    return logits, labels


def grid_search(logits: Tensor, labels: Tensor) -> float:
    """The published fit: softmax and 15-bin ECE anew for each of 950 temperatures."""
    best, lowest = 1., top_error(logits, labels, 1.)
    for temperature in PUBLISHED_GRID:
        error = top_error(logits, labels, float(temperature))
        if error < lowest:
            best, lowest = float(temperature), error
    return best


def top_error(logits: Tensor, labels: Tensor, temperature: float) -> float:
    """Expected calibration error of the arg-max."""
    confidence, predictions = (logits / temperature).softmax(dim=0).max(dim=0)
    gap, error = confidence.double() - (predictions == labels).double(), 0.
    edges = torch.linspace(0, 1, BINS + 1)
    for low, high in zip(edges[:-1], edges[1:]):
        error += float(gap[(confidence > low) & (confidence <= high)].sum().abs())
    return error / labels.numel()


def fiducio_fit(logits: Tensor, labels: Tensor, optimizer: str) -> float:
    """Temperature that fiducio finds."""
    from fiducio import TemperatureScaling as Peer
    return Peer(input_type='logits', optimizer=optimizer).fit(logits.T, labels).temperature


def seconds(function: Callable, *arguments) -> tuple[float, float]:
    """Processor time of a call, and what it returned."""
    start = time.process_time()
    value = function(*arguments)
    return time.process_time() - start, value


def speed(count: int) -> Iterator[dict]:
    """Time and error of the fit in memory."""
    logits, labels = pixels(count)
    fits: dict[str, Callable] = {'published grid, 950 steps': grid_search}
    if find_spec('fiducio'):
        fits |= {f'fiducio {version("fiducio")}, {name}': lambda *data, name=name: fiducio_fit(*data, name)
                 for name in ('adam', 'lbfgs')}
    own_time, own = seconds(fit_temperature, logits, labels)
    protocol = f'{count:,} pixels of {CLASSES} classes in memory, planted {PLANTED}, {torch.get_num_threads()} threads'
    for name, fit in fits.items():
        peer_time, peer = seconds(fit, logits, labels)
        yield row(f'temperature fit vs {name}', own_time, peer_time, 's', protocol)
        yield row(f'distance from planted vs {name}', abs(own / PLANTED - 1), abs(peer / PLANTED - 1), 'share', protocol)
    double = logits.double()
    yield row('distance from a float64 fit of L-BFGS', abs(own / likelihood_fit(double, labels) - 1), 0., 'share', protocol)


def likelihood_fit(logits: Tensor, labels: Tensor) -> float:
    """Temperature of the largest likelihood in memory, double precision."""
    inverse = torch.ones((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([inverse], max_iter=100, tolerance_grad=1e-12, tolerance_change=1e-15,
                                  line_search_fn='strong_wolfe')

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy((inverse * logits).T, labels)
        value.backward()
        return value

    optimizer.step(loss)
    return 1 / inverse.item()


def stream(frames: int) -> dict:
    """Fit on frames that come and go, as CalibrationLoop does; returns what it took."""
    calibrator = TemperatureScaling(CLASSES)
    start, spent, freed_memory = status_megabytes('VmHWM'), 0., FreedMemory()
    for stage in range(calibrator.stages):
        calibrator.start_stage(stage)
        for index in range(frames):
            spent += update(calibrator, index)
            freed_memory.after(FRAME[0] * FRAME[1])
        calibrator.finish_stage(stage)
    return dict(temperature=float(calibrator.temperature), passes=calibrator.stages, imported=start,
                peak=status_megabytes('VmHWM'), seconds=spent)


def update(calibrator: TemperatureScaling, index: int) -> float:
    """Show one frame, and forget it; returns the seconds that the calibrator took."""
    logits, labels = frame(index)
    outputs = FrozenOutputs(logits.reshape(1, CLASSES, *FRAME), None, None, None)
    begin = time.process_time()
    calibrator.update(outputs, labels.reshape(1, *FRAME), [dict(img_path=str(index))])
    return time.process_time() - begin


def memory(frames: int) -> Iterator[dict]:
    """Memory and passes of the streamed fit, in a process of its own."""
    command = f'import calibration, json; print(json.dumps(calibration.stream({frames})))'
    result = subprocess.run([sys.executable, '-c', command], check=True, capture_output=True, text=True, cwd=Path(__file__).parent,
                            env=os.environ | {'OMP_NUM_THREADS': str(torch.get_num_threads())})
    found = json.loads(result.stdout.splitlines()[-1])
    size = f'{frames} frames {FRAME[0]}x{FRAME[1]}x{CLASSES}, {VOID_SHARE:.0%} void'
    held = frames * FRAME[0] * FRAME[1] * CLASSES * 4 / 1e6
    before = f'{found["imported"]:.0f} MB of it before the first frame'
    yield row('peak memory of the streamed fit', found['peak'], held, 'MB', f'{size}, {before}; peer = all logits in memory')
    yield row('passes over the images', found['passes'], len(PUBLISHED_GRID), 'passes', f'{size}; peer = the published grid')
    yield row('streamed distance from planted', abs(found['temperature'] / PLANTED - 1), None, 'share', size)
    yield row('streamed fit', found['seconds'] / frames, None, 's per frame', f'{size}, both passes, frames ready')


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Rows of the table."""
    yield from speed(20_000 if args.quick else 400_000)
    yield from memory(3 if args.quick else 200)


if __name__ == '__main__':
    run_benchmark(__doc__, rows, **{name: version(name) for name in ('fiducio', ) if find_spec(name)})

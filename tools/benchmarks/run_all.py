"""Runs the benchmarks and writes their tables into docs/performance.md, below what is written by hand."""
from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tqdm.auto import tqdm

from mmseg_uncertainty.apis.results_table import page_sections

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs/performance.md'
MARK = '<!-- Below this line everything is written by tools/benchmarks/run_all.py. -->'


@dataclass(frozen=True)
class Benchmark:
    """A script of this folder and how to read its rows.

    Args:
        script: Name without suffix.
        title: Heading of its table.
        reading: What the peer and the ratio are, in words.
    """

    script: str
    title: str
    reading: str


BENCHMARKS = [
    Benchmark('scores', 'Scores and predictions',
              'The ratio is the time of the peer over ours; against reading the logits it is below 1.'),
    Benchmark('heads', 'Heads beside the model that they are added to',
              'The peer is the base model alone; the ratio is the time with heads over the time without, random weights.'),
    Benchmark('inference', 'Kept memory, mixed precision and channels-last',
              'Times: the peer is the prediction without. Metrics: ours is with the option, the peer without.'),
    Benchmark('cache', 'Outputs from the cache', 'The ratio is the time without cache over the time with.'),
    Benchmark('metrics', 'Evaluators', 'The ratio is the peer over ours; errors and memory have the bound as peer.'),
    Benchmark('components', 'Component metrics',
              'The peer is the algorithm of the SegmentMeIfYouCan tool, plainly written, with one head; the ratio is the peer over '
              'ours.'),
    Benchmark('calibration', 'Temperature fits', 'The ratio is the peer over ours.'),
    Benchmark('conformal', 'Conformal calibration', 'The ratio is the peer over ours.'),
    Benchmark('startup', 'From start to result',
              'Processor time of whole processes. The peer is a bound, or a program that uses the base model alone.'),
    Benchmark('files', 'Files of a prediction',
              'Times: ours is what the files add, the peer is the prediction without; the ratio is the peer over ours, so that 5× '
              'is a fifth.'),
    Benchmark('shares', 'Where the time of the commands goes',
              'Ours is the share of the work that is not the base model, with its parts in %; the peer is the aim. Processor time '
              'of one thread, waiting by the clock.'),
    Benchmark('latency', 'Exported models', 'The peer is eager torch; the ratio is its time over that of the export.'),
    Benchmark('serve', 'A service under load',
              'Of requests the peer is what was sent, of errors none; of images per second it is the model alone.'),
    Benchmark('corruptions', 'Corruptions', 'Throughput of one worker; the last row has the original loop as peer.'),
    Benchmark('processes', 'Two processes', 'The ratio is the time of one process over that of two.'),
    Benchmark('scaling', 'How cost grows', '![Time and memory by pixels, classes, heads and images](pictures/scaling.png)'),
]

# On a page of its own, since it needs a machine with a GPU.
GPU = Benchmark('gpu', 'A GPU beside the CPU', 'Differences have their tolerance as peer, times what they are compared with.')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--only', nargs='+', metavar='NAME', choices=[entry.script for entry in BENCHMARKS],
                        help='measure these again and keep the others')
    parser.add_argument('--quick', action='store_true', help='small sizes')
    parser.add_argument('--render', action='store_true', help='measure nothing, write the page from what was measured')
    parser.add_argument('--gpu-page', type=Path, metavar='FILE', help='write no other page than that of tools/benchmarks/gpu.sh')
    parser.add_argument('--folder', type=Path, default=ROOT / 'work_dirs/benchmarks', help='where measurements are kept')
    return parser.parse_args()


def measure(benchmark: Benchmark, folder: Path, quick: bool) -> str | None:
    """Run one script; returns what went wrong, if anything."""
    command = [sys.executable, str(Path(__file__).with_name(f'{benchmark.script}.py')), '--json',
               str(folder / f'{benchmark.script}.json')]
    done = subprocess.run(command + ['--quick'] * quick, cwd=ROOT, capture_output=True, text=True)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ['no message'])[-1]


def section(benchmark: Benchmark, measured: dict) -> str:
    """Table of one benchmark with its heading."""
    lines = [f'## {benchmark.title}\n\n{benchmark.reading}\n', '| | ours | peer | ratio | unit | how |\n|---|---|---|---|---|---|']
    for row in measured['rows']:
        cells = [row['name'], number(row['ours']), number(row['peer']), ratio(row['ratio']), row['unit'], row['protocol']]
        lines.append(f'| {" | ".join(cell.replace("|", "/") for cell in cells)} |')
    return '\n'.join([*lines, f'\n{machine(measured)}\n'])


def machine(measured: dict) -> str:
    """Machine and versions on one line."""
    found = measured.get('machine', {})
    found = found if isinstance(found, dict) else dict(processor=found)
    words = [f'{key} {value:.3g}' if isinstance(value, float) else f'{key} {value}' for key, value in found.items()]
    return f'*{", ".join(words + [f"{key} {value}" for key, value in measured.get("versions", {}).items()])}*'


def number(value: float | None) -> str:
    """Four digits, or a dash."""
    return '–' if value is None or math.isnan(value) else f'{value:.4g}'


def ratio(value: float | None) -> str:
    """Three digits and ×, or nothing."""
    return '' if value is None or math.isnan(value) else f'{value:.3g}×'


def render(folder: Path) -> None:
    """Replace the tables that were measured, and keep the others as the page has them."""
    sections = page_sections(PAGE)
    for benchmark in BENCHMARKS:
        path = folder / f'{benchmark.script}.json'
        if path.is_file():
            sections[benchmark.title] = section(benchmark, json.loads(path.read_text(encoding='utf-8')))
    parts = [sections[benchmark.title] for benchmark in BENCHMARKS if benchmark.title in sections]
    by_hand = PAGE.read_text(encoding='utf-8').split(MARK)[0].rstrip()
    PAGE.write_text('\n'.join([by_hand, '', MARK, '', *parts]).rstrip() + '\n', encoding='utf-8')


def main() -> None:
    """Run the tool."""
    args = parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.gpu_page:
        measured = json.loads((args.folder / 'gpu.json').read_text(encoding='utf-8'))
        args.gpu_page.write_text(section(GPU, measured), encoding='utf-8')
        return
    failed = {}
    chosen = [entry for entry in BENCHMARKS if not args.only or entry.script in args.only]
    for benchmark in tqdm([] if args.render else chosen):
        message = measure(benchmark, args.folder, args.quick)
        if message:
            failed[benchmark.script] = message
    render(args.folder)
    if failed:
        sys.exit('\n'.join(f'{name}: {message}' for name, message in failed.items()))


if __name__ == '__main__':
    main()

"""Predict classes and uncertainty for an image, a folder or a pattern."""
from __future__ import annotations

import argparse
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)

from mmseg_uncertainty.apis import UncertaintyInferencer, run_command


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('inputs', metavar='IMAGE|FOLDER|PATTERN')
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/infer'), metavar='DIR',
                        help='write label maps, uncertainty maps (npz), overlays, figures and a JSON per image here')
    parser.add_argument('--threshold', nargs='+', type=head_and_value, default=[], metavar='HEAD=VALUE',
                        help='flag pixels whose uncertainty reaches this value')
    parser.add_argument('--batch-size', type=int, default=1, help='most images of one size in one pass')
    parser.add_argument('--device', help='such as cpu or cuda:0; default: the best there is')
    parser.add_argument('--skip-broken', action='store_true', help='leave out and report files that cannot be read')
    parser.add_argument('--debug', action='store_true', help='show the traceback of errors')
    return parser.parse_args()


def head_and_value(text: str) -> tuple[str, float]:
    """Parse ``HEAD=VALUE``."""
    head, _, value = text.rpartition('=')
    return head, float(value)


def main() -> None:
    """Run the tool."""
    args = parse_args()
    inferencer = UncertaintyInferencer(args.config, args.checkpoint, args.device, dict(args.threshold))
    results = inferencer(args.inputs, batch_size=args.batch_size, out_dir=args.out, skip_broken=args.skip_broken)
    skipped = f', {len(results["skipped"])} left out' if results['skipped'] else ''
    print(f'{len(results["predictions"])} images predicted{skipped}; results: {args.out}')


if __name__ == '__main__':
    run_command(main)

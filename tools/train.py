"""Train a base model, or fit uncertainty heads to a frozen one."""
from __future__ import annotations

import argparse
from pathlib import Path

import mmseg_uncertainty  # noqa: F401  (connects the host before configs are read)
from mmengine.config import Config, DictAction
from mmengine.runner import Runner


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config')
    parser.add_argument('--load-from', metavar='BASE.pth')
    parser.add_argument('--work-dir')
    parser.add_argument('--resume', action='store_true')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    config = Config.fromfile(args.config)
    if args.cfg_options:
        config.merge_from_dict(args.cfg_options)
    config.launcher = args.launcher
    config.resume = args.resume
    config.load_from = args.load_from or config.get('load_from')
    config.work_dir = args.work_dir or config.get('work_dir') or str(Path('work_dirs') / Path(args.config).stem)
    Runner.from_cfg(config).train()


if __name__ == '__main__':
    main()

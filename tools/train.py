"""Train a base model, or fit uncertainty heads to a frozen one."""
from __future__ import annotations

import argparse
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from mmseg_uncertainty.apis import add_cache_options, add_hooks, launch, run_command, use_cache
from mmseg_uncertainty.engine.checkpoints import load_checkpoints_safely, read_checkpoint


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config')
    parser.add_argument('--load-from', metavar='BASE.pth', help='checkpoint of the base model; none where the config names the weights')
    parser.add_argument('--work-dir', help='where checkpoints and logs go; default: work_dirs/<name of the config>')
    parser.add_argument('--resume', action='store_true', help='go on from the last checkpoint in the work folder, if there is one')
    parser.add_argument('--data-root', help='folder of the training data')
    add_cache_options(parser)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--debug', action='store_true', help='show the traceback of errors')
    return parser.parse_args()


def train_config(args: argparse.Namespace) -> Config:
    """The config of this run."""
    config = Config.fromfile(args.config)
    if args.data_root:
        config.train_dataloader.dataset.data_root = args.data_root
    if args.cfg_options:
        config.merge_from_dict(args.cfg_options)
    add_hooks(config, need_heads=False)
    use_cache(config, args)
    launch(config, args.launcher, trains=config.train_cfg.type != 'CalibrationLoop')
    config.work_dir = args.work_dir or config.get('work_dir') or str(Path('work_dirs') / Path(args.config).stem)
    config.resume = args.resume and (Path(config.work_dir) / 'last_checkpoint').is_file()
    # mmengine resumes from load_from where one is given, so a run that goes on must not name its base.
    config.load_from = None if config.resume else args.load_from or config.get('load_from')
    return config


def main() -> None:
    """Run the tool."""
    args = parse_args()
    load_checkpoints_safely()
    config = train_config(args)
    if config.load_from:
        read_checkpoint(config.load_from)
    Runner.from_cfg(config).train()


if __name__ == '__main__':
    run_command(main)

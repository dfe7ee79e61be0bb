"""Train a base model, or fit uncertainty heads to a frozen one."""
from __future__ import annotations

import argparse
import logging
import signal
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
from mmengine.config import Config, DictAction
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmseg_uncertainty.apis import (add_cache_options, add_hooks, launch, load_config, run_command, type_name,
                                    use_cache)
from mmseg_uncertainty.apis.run_config import data_of
from mmseg_uncertainty.engine.checkpoints import load_checkpoints_safely, read_checkpoint
from mmseg_uncertainty.engine.resuming import last_checkpoint
from mmseg_uncertainty.runtime.command_line import Interrupted
from mmseg_uncertainty.runtime.output_files import check_output_folder


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', metavar='CONFIG', help='a config with a model, train_dataloader and train_cfg')
    parser.add_argument('--load-from', metavar='BASE.pth',
                        help='checkpoint of the base model; none where the config names the weights')
    parser.add_argument('--work-dir', metavar='DIR',
                        help='where checkpoints and logs go; default: work_dir of the config, else work_dirs/<its name>')
    parser.add_argument('--resume', action='store_true',
                        help='go on from the last checkpoint in the work folder, if there is one')
    parser.add_argument('--data-root', metavar='DIR', help='folder of the training data')
    add_cache_options(parser)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='change values of the config, such as train_cfg.max_iters=100')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='what started the processes, where there are several; default: none')
    parser.add_argument('--debug', action='store_true', help='show the traceback of errors')
    return parser.parse_args()


def train_config(args: argparse.Namespace) -> Config:
    """The config of this run.

    Raises:
        CheckpointError: The last checkpoint of the work folder is gone.
        OutputError: The work folder cannot be written.
        ValueError: The config does not say what or how to train.
    """
    config = load_config(args.config)
    if args.data_root:
        data_of(config, 'train').data_root = args.data_root
    if args.cfg_options:
        config.merge_from_dict(args.cfg_options)
    check_trainable(config, args.config)
    add_hooks(config, need_heads=False)
    config.custom_hooks.append(dict(type='SaveOnInterruptHook'))
    use_cache(config, args)
    launch(config, args.launcher, trains=not by_statistics(config))
    config.work_dir = args.work_dir or config.get('work_dir') or str(Path('work_dirs') / Path(args.config).stem)
    check_output_folder(config.work_dir, '--work-dir')
    # mmengine resumes from load_from where one is given.
    resumed = last_checkpoint(config.work_dir) if args.resume else None
    start = resumed or args.load_from or config.get('load_from')
    config.resume, config.load_from = resumed is not None, str(start) if start else None
    if args.resume and not config.resume:
        print_log(f'--resume: {config.work_dir} has no last_checkpoint, so this run starts anew.', level=logging.WARNING)
    return config


def check_trainable(config: Config, path: str) -> None:
    """Check that a config says what to train, on what and for how long.

    Raises:
        ValueError: It does not.
    """
    advice = dict(model='model=dict(type=...)', train_cfg="train_cfg=dict(type='IterBasedTrainLoop', max_iters=400)")
    for key, example in advice.items():
        if not config.get(key):
            raise ValueError(f'{path} has no {key}, so it does not say what to train. Add one, such as {example}, or a '
                             'file of local_configs/_base_ to its _base_.')
    data_of(config, 'train')


def by_statistics(config: Config) -> bool:
    """Whether the config fits by statistics; loops without a type are those that train by gradient."""
    return type_name(config.train_cfg.get('type')) == 'CalibrationLoop'


def main() -> None:
    """Run the tool.

    Raises:
        Interrupted: Ctrl+C, with what was saved.
    """
    args = parse_args()
    load_checkpoints_safely()
    config = train_config(args)
    if config.load_from:
        read_checkpoint(config.load_from)
    handler = signal.getsignal(signal.SIGINT)
    try:
        Runner.from_cfg(config).train()
    except Interrupted:
        raise
    except KeyboardInterrupt:
        raise Interrupted(how_to_go_on(config)) from None
    finally:
        signal.signal(signal.SIGINT, handler)


def how_to_go_on(config: Config) -> str:
    """What a run that was stopped at once leaves behind."""
    last = None if by_statistics(config) else last_checkpoint(config.work_dir)
    if last is None:
        return 'Nothing was saved; run the same command again.'
    return f'{last} was saved last. To go on from it, run the same command with --resume.'


if __name__ == '__main__':
    run_command(main)

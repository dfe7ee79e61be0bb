"""Train a base model, or fit uncertainty heads to a frozen one."""
from __future__ import annotations

import argparse

from ..parsing import add_cache_options, add_config_options, add_launcher


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument('config', metavar='CONFIG|NAME',
                        help='a config with a model, train_dataloader and train_cfg, or the name of a model, which has one')
    parser.add_argument('--load-from', metavar='BASE.pth|NAME', help='checkpoint of the base model, or the name of a model')
    parser.add_argument('--work-dir', metavar='DIR',
                        help='where checkpoints and logs go; default: work_dir of the config, else work_dirs/<its name>')
    parser.add_argument('--resume', action='store_true',
                        help='go on from the last checkpoint in the work folder, if there is one')
    parser.add_argument('--data-root', metavar='DIR', help='folder of the training data')
    add_cache_options(parser)
    add_config_options(parser, 'train_cfg.max_iters=100')
    add_launcher(parser)

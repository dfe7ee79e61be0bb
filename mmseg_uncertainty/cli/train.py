"""Train a base model, or fit uncertainty heads to a frozen one."""
from __future__ import annotations

import argparse
import logging
import signal
from collections.abc import Mapping
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import MODELS, OPTIMIZERS

from mmseg_uncertainty.apis import POSTHOC_SEGMENTORS, add_hooks, launch, load_config, type_name, use_cache
from mmseg_uncertainty.apis.config_errors import ConfigError
from mmseg_uncertainty.apis.config_files import change_config, is_config, model_of
from mmseg_uncertainty.apis.model_index import find_model
from mmseg_uncertainty.apis.run_config import data_of, log_of
from mmseg_uncertainty.apis.zoo_schedules import check_schedule
from mmseg_uncertainty.engine.checkpoints import load_checkpoints_safely, read_checkpoint
from mmseg_uncertainty.engine.resuming import last_checkpoint
from mmseg_uncertainty.models.fittable import Fittable
from mmseg_uncertainty.runtime.command_line import Interrupted
from mmseg_uncertainty.runtime.near_names import did_you_mean
from mmseg_uncertainty.runtime.output_files import check_output_folder

ADVICE = dict(model='model=dict(type=...)', train_cfg="train_cfg=dict(type='IterBasedTrainLoop', max_iters=400)")


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
    change_config(config, args.cfg_options)
    check_trainable(config, args.config)
    check_schedule(config)
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
    for key, example in ADVICE.items():
        if not config.get(key):
            raise ValueError(f'{path} has no {key}, so it does not say what to train. Add one, such as {example}, or a '
                             'file of local_configs/_base_ to its _base_.')
    model_of(config)
    data_of(config, 'train')
    check_loop(config, path)
    check_optimizer(config, path)


def check_loop(config: Config, path: str) -> None:
    """Check that a loop has as many rounds as can be run.

    Raises:
        ConfigError: It has not.
    """
    for key in ('max_iters', 'max_epochs'):
        rounds = config.train_cfg.get(key, 1) if isinstance(config.train_cfg, Mapping) else None
        if not isinstance(rounds, int) or rounds < 1:
            found = f'train_cfg.{key} is {rounds!r}' if rounds is not None else f'train_cfg is {config.train_cfg!r}'
            raise ConfigError(f'{path}: {found}, expected a whole number, 1 or more, as in {ADVICE["train_cfg"]}.')


def check_optimizer(config: Config, path: str) -> None:
    """Check that there is an optimizer of this name; mmengine asks for its options before it looks.

    Raises:
        ConfigError: There is none.
    """
    wrapper = config.get('optim_wrapper') or {}
    kind = (wrapper.get('optimizer') or {}).get('type') if isinstance(wrapper, Mapping) else None
    if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
        raise ConfigError(f'{path}: optim_wrapper.optimizer.type is {kind!r}, which is no optimizer.'
                          f'{did_you_mean(kind, OPTIMIZERS.root.module_dict)} Name one of torch.optim.')


def check_fits_something(config: Config, path: str) -> None:
    """Check that a posthoc model has a part that its loop can fit.

    Raises:
        ValueError: It has none.
    """
    if type_name(config.model.get('type')) not in POSTHOC_SEGMENTORS:
        return
    heads = config.model.get('uncertainty_heads') or {}
    parts = [*heads.values(), *filter(None, (config.model.get(name) for name in ('calibrator', 'set_head')))]
    parts += (config.model.get('decisions') or {}).values()
    kinds = [_class_of(part) for part in parts]
    if None in kinds:
        return  # The model names what it does not know.
    if by_statistics(config):
        if not any(issubclass(kind, Fittable) for kind in kinds):
            raise ValueError(f'{path}: no part of the model is fitted by statistics, so CalibrationLoop has nothing to do. Add a '
                             'calibrator, a set head or a head such as MahalanobisHead to the model, or test this config as it is.')
    elif not any(hasattr(kind, 'loss') for kind in kinds):
        raise ValueError(f'{path}: none of the heads {sorted(heads)} learns by gradient, so there is nothing to train. Test this '
                         "config as it is, or use train_cfg=dict(type='CalibrationLoop') for what is fitted by statistics.")


def _class_of(part: Mapping) -> type | None:
    kind = part.get('type')
    return kind if isinstance(kind, type) else MODELS.get(str(kind))


def by_statistics(config: Config) -> bool:
    """Whether the config fits by statistics; loops without a type are those that train by gradient."""
    return type_name(config.train_cfg.get('type')) == 'CalibrationLoop'


def execute(args: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        Interrupted: Ctrl+C, with what was saved.
    """
    load_checkpoints_safely()
    if not is_config(args.config):
        args.config = str(find_model(args.config).config)
    if args.load_from and not Path(args.load_from).suffix and not Path(args.load_from).is_file():
        args.load_from = str(find_model(args.load_from).weights)
    config = train_config(args)
    if config.load_from:
        read_checkpoint(config.load_from)
    check_fits_something(config, args.config)
    handler = signal.getsignal(signal.SIGINT)
    try:
        runner = Runner.from_cfg(config)
        runner.train()
        if is_main_process():
            print(f'Checkpoint: {last_checkpoint(config.work_dir)}; log: {log_of(runner)}')
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

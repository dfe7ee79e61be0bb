"""Measure how well a model's uncertainty finds its mistakes and unknown objects."""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from mmseg_uncertainty.apis import (add_hooks, corrupt_test_images, launch, load_config, results_of_test, use_cache, use_dataset,
                                    use_evaluators, write_json)
from mmseg_uncertainty.apis.config_files import change_config, model_of
from mmseg_uncertainty.apis.default_heads import use_heads
from mmseg_uncertainty.apis.folder_data import ONE_PASS, check_folders, class_meta, folder_dataset, one_pass_pipeline
from mmseg_uncertainty.apis.html_report import write_report
from mmseg_uncertainty.apis.model_index import resolve_model
from mmseg_uncertainty.apis.run_config import data_of, keep_region, log_of, reject_what_is_flagged
from mmseg_uncertainty.apis.use_protocol import check_protocol, use_protocol
from mmseg_uncertainty.engine.checkpoints import load_checkpoints_safely, read_checkpoint
from mmseg_uncertainty.engine.hooks import BestAndWorstHook
from mmseg_uncertainty.runtime.benchmark_protocols import PROTOCOLS
from mmseg_uncertainty.runtime.output_files import check_output_file, check_output_folder
from mmseg_uncertainty.runtime.shipped_files import dataset_configs
from mmseg_uncertainty.runtime.tta_options import tta_of

from mmseg_uncertainty.runtime.near_names import did_you_mean

from .names import CORRUPTIONS, DATASET_ALIASES, EVALUATORS


def dataset_config(name: str) -> Config:
    """Config of the test dataset of this name."""
    known = dataset_configs()
    path = known.get(DATASET_ALIASES.get(name, name))
    if path is None:
        raise ValueError(f'--test-dataset {name}: unknown.{did_you_mean(name, [*known, *DATASET_ALIASES])} Choose from '
                         f'{", ".join(known)} or the short names {", ".join(DATASET_ALIASES)}.')
    return Config.fromfile(path)


def dataset_name(args: argparse.Namespace) -> str | None:
    """Name of the config of the test dataset, ``None`` for that of the model or for own folders."""
    return DATASET_ALIASES.get(args.test_dataset, args.test_dataset)


def use_folder(config: Config, args: argparse.Namespace) -> None:
    """Test on the folders of ``--images`` and ``--labels``."""
    check_folders(images=args.images, labels=args.labels)
    meta = class_meta(config, read_checkpoint(args.checkpoint) if args.checkpoint else {}, None)
    dataset = folder_dataset(args.images, args.labels, meta, one_pass_pipeline(config))
    config.test_dataloader = dict(ONE_PASS, num_workers=1, persistent_workers=True, dataset=dict(dataset, test_mode=True))
    if not args.eval and not config.get('test_evaluator') and args.protocol not in PROTOCOLS:
        args.eval = ['mIoU', 'IDM', 'ECE']


def check_names(args: argparse.Namespace) -> None:
    """Check the names of evaluators, of the protocol and of the corruption.

    Raises:
        ValueError: One is unknown.
    """
    check_protocol(args.protocol)
    for option, known, names in (('--eval', EVALUATORS, args.eval),
                                 ('--corrupt-type', CORRUPTIONS, [args.corrupt_type or 'None'])):
        for name in names:
            if name.lower() not in map(str.lower, (*known, 'None')):
                raise ValueError(f'{option} {name}: unknown.{did_you_mean(name, known)} Choose from {", ".join(known)}.')


def test_config(args: argparse.Namespace) -> Config:
    """The config of this run.

    Raises:
        OutputError: The work folder cannot be written.
        ValueError: The config has no test data, or an option is unknown.
    """
    config = load_config(args.config)
    use_heads(config, args.heads)
    if args.images:
        use_folder(config, args)
    elif args.test_dataset:
        use_dataset(config, dataset_config(args.test_dataset), args.data_root)
    elif args.data_root:
        data_of(config, 'test').data_root = args.data_root
    data_of(config, 'test')
    if args.skip_broken:
        config.test_dataloader.dataset.skip_broken = True
    if args.protocol in PROTOCOLS:
        print('\n'.join(use_protocol(config, args.protocol, args.eval, dataset_name(args), tta_of(args), args.plot_dir)))
    elif args.eval:
        options = dict(protocol=args.protocol, plot_dir=args.plot_dir or (args.report and str(args.report / 'plots')))
        use_evaluators(config, args.eval, **{key: value for key, value in options.items() if value})
    change_config(config, args.cfg_options)
    model_of(config)
    data_of(config, 'test')
    # After the changes, which count the steps of the pipeline as the config has them.
    if args.corrupt_type not in (None, 'None'):
        corrupt_test_images(config, args.corrupt_type, args.corrupt_severity)
    if args.roi:
        keep_region(config, args.roi)
    if tta_of(args) is not None:
        config.model.tta = tta_of(args)
    reject_what_is_flagged(config)
    add_hooks(config, need_heads=True, allow_overlap=args.allow_overlap)
    if args.report:
        config.custom_hooks.append(dict(type='BestAndWorstHook'))
    use_cache(config, args)
    if args.amp or args.channels_last:
        config.custom_hooks.append(dict(type='FastInferenceHook', precision=args.amp, channels_last=args.channels_last))
    launch(config, args.launcher, trains=False)
    config.load_from = args.checkpoint
    config.work_dir = args.work_dir or config.get('work_dir') or str(Path('work_dirs') / Path(args.config).stem)
    check_output_folder(config.work_dir, '--work-dir')
    return config


def check_outputs(args: argparse.Namespace) -> None:
    """Check that results can be written before anything is measured.

    Raises:
        OutputError: They cannot.
    """
    check_output_file(args.out, '--out')
    args.other = other_results(args.compare)
    check_output_folder(args.report, '--report')
    check_output_folder(args.plot_dir, '--plot-dir')
    check_output_folder(args.cache, '--cache')


def other_results(path: Path | None) -> dict | None:
    """Results of another run, ``None`` without a file.

    Raises:
        ValueError: The file holds no results.
    """
    if path is None:
        return None
    try:
        results = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise ValueError(f'--compare {path}: cannot be read ({error}), expected a results.json of a report or of test '
                         '--out.') from error
    if not isinstance(results, dict) or 'metrics' not in results:
        raise ValueError(f'--compare {path}: has no metrics, expected a results.json of a report or of test --out.')
    return results


def execute(args: argparse.Namespace) -> None:
    """Run the command."""
    check_outputs(args)
    check_names(args)
    load_checkpoints_safely()
    config, checkpoint = resolve_model(args.model, args.checkpoint)
    args.config, args.checkpoint = str(config), None if checkpoint is None else str(checkpoint)
    config = test_config(args)
    if args.checkpoint:
        read_checkpoint(args.checkpoint)
    runner = Runner.from_cfg(config)
    metrics = runner.test()
    if is_main_process():
        save(args, runner, metrics)


def save(args: argparse.Namespace, runner: Runner, metrics: dict) -> None:
    """Write results and report, if asked for."""
    options = {key: getattr(args, key) for key in ('eval', 'protocol', 'test_dataset', 'corrupt_type')}
    options['corrupt_severity'] = args.corrupt_severity if args.corrupt_type else 0
    options['tta'] = runner.cfg.model.get('tta')
    if args.out:
        write_json(args.out, results_of_test(runner, metrics, args.config, args.checkpoint, **options))
    print(f'{f"Results: {args.out}; " if args.out else ""}log: {log_of(runner)}')
    if args.report:
        results = results_of_test(runner, metrics, args.config, args.checkpoint, **options)
        write_json(args.report / 'results.json', results)
        ranked = next(hook for hook in runner.hooks if isinstance(hook, BestAndWorstHook))
        plots = Path(args.plot_dir or args.report / 'plots').glob('*.png')
        print(f'Report: {write_report(args.report / "report.html", results, runner, plots, ranked, other=args.other)}')

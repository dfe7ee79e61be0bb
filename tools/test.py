"""Measure how well a model's uncertainty finds its mistakes and unknown objects."""
from __future__ import annotations

import argparse
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
from mmengine.config import Config, DictAction
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from mmseg_uncertainty.apis import (add_cache_options, add_hooks, corrupt_test_images, launch, results_of_test,
                                    run_command, use_cache, use_dataset, use_evaluators, write_json)
from mmseg_uncertainty.apis.html_report import write_report
from mmseg_uncertainty.datasets import CORRUPTIONS
from mmseg_uncertainty.engine.checkpoints import load_checkpoints_safely, read_checkpoint
from mmseg_uncertainty.engine.hooks import BestAndWorstHook
from mmseg_uncertainty.evaluation import EVALUATORS

DATASETS = Path(__file__).resolve().parents[1] / 'local_configs/_base_/datasets'
ALIASES = dict(
    folder='anomaly_folder', FSLF='fs_lost_found', FSST='fs_static', SA='smiyc_anomaly', SO='smiyc_obstacle',
    CS='cityscapes')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config')
    parser.add_argument('checkpoint', nargs='?', help='none where the config names the weights and no head has to be fitted')
    parser.add_argument('--eval', nargs='+', metavar='NAME', default=[],
                        help=f'evaluators: {", ".join(EVALUATORS)}; default: those of the config')
    parser.add_argument('--protocol', help='protocol of the evaluators, such as pooled, per_image or published')
    parser.add_argument('--test-dataset', metavar='NAME',
                        help=f'one of {", ".join(dataset_names())}, or {", ".join(ALIASES)}; default: that of the config')
    parser.add_argument('--data-root', help='folder of the test data')
    parser.add_argument('--corrupt-type', '--corrupt-typ', metavar='NAME', help=f'one of {", ".join(CORRUPTIONS)}')
    parser.add_argument('--corrupt-severity', '--corrupt-sev', type=int, default=1, metavar='0..5')
    parser.add_argument('--skip-broken', action='store_true', help='leave out and count images that cannot be used')
    parser.add_argument('--allow-overlap', action='store_true', help='also test on what the model was calibrated on')
    parser.add_argument('--out', metavar='FILE.json', help='write results and their provenance here')
    parser.add_argument('--plot-dir', metavar='DIR', help='draw the curves of the evaluators here')
    parser.add_argument('--report', type=Path, metavar='DIR',
                        help='write report.html here, one file with table, curves, best and worst images and provenance')
    parser.add_argument('--work-dir')
    parser.add_argument('--amp', choices=['bfloat16', 'float16'], help='run the base model in mixed precision')
    parser.add_argument('--channels-last', action='store_true', help='run the base model on maps stored by pixel')
    add_cache_options(parser)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--debug', action='store_true', help='show the traceback of errors')
    return parser.parse_args()


def dataset_names() -> list[str]:
    """Names that ``--test-dataset`` accepts, besides the short ones."""
    return sorted(path.stem for path in DATASETS.glob('*.py'))


def dataset_config(name: str) -> Config:
    """Config of the test dataset of this name."""
    path = DATASETS / f'{ALIASES.get(name, name)}.py'
    if not path.is_file():
        raise ValueError(f'--test-dataset {name}: unknown; choose from {", ".join(dataset_names())} or the short names '
                         f'{", ".join(ALIASES)}.')
    return Config.fromfile(path)


def test_config(args: argparse.Namespace) -> Config:
    """The config of this run."""
    config = Config.fromfile(args.config)
    if args.test_dataset:
        use_dataset(config, dataset_config(args.test_dataset), args.data_root)
    elif args.data_root:
        config.test_dataloader.dataset.data_root = args.data_root
    if args.corrupt_type not in (None, 'None'):
        corrupt_test_images(config, args.corrupt_type, args.corrupt_severity)
    if args.skip_broken:
        config.test_dataloader.dataset.skip_broken = True
    if args.eval:
        options = dict(protocol=args.protocol, plot_dir=args.plot_dir or (args.report and str(args.report / 'plots')))
        use_evaluators(config, args.eval, **{key: value for key, value in options.items() if value})
    if args.cfg_options:
        config.merge_from_dict(args.cfg_options)
    add_hooks(config, need_heads=True, allow_overlap=args.allow_overlap)
    if args.report:
        config.custom_hooks.append(dict(type='BestAndWorstHook'))
    use_cache(config, args)
    if args.amp or args.channels_last:
        config.custom_hooks.append(dict(type='FastInferenceHook', precision=args.amp, channels_last=args.channels_last))
    launch(config, args.launcher, trains=False)
    config.load_from = args.checkpoint
    config.work_dir = args.work_dir or config.get('work_dir') or str(Path('work_dirs') / Path(args.config).stem)
    return config


def main() -> None:
    """Run the tool."""
    args = parse_args()
    load_checkpoints_safely()
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
    if args.out:
        write_json(args.out, results_of_test(runner, metrics, args.config, args.checkpoint, **options))
    if args.report:
        results = results_of_test(runner, metrics, args.config, args.checkpoint, **options)
        write_json(args.report / 'results.json', results)
        ranked = next(hook for hook in runner.hooks if isinstance(hook, BestAndWorstHook))
        plots = Path(args.plot_dir or args.report / 'plots').glob('*.png')
        print(f'Report: {write_report(args.report / "report.html", results, runner, plots, ranked)}')


if __name__ == '__main__':
    run_command(main)

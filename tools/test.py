"""Measure how well a model's uncertainty finds its mistakes and unknown objects."""
from __future__ import annotations

import argparse
from difflib import get_close_matches
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
from mmengine.config import Config, DictAction
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from mmseg_uncertainty.apis import (add_cache_options, add_hooks, corrupt_test_images, launch, load_config, results_of_test,
                                    run_command, use_cache, use_dataset, use_evaluators, write_json)
from mmseg_uncertainty.apis.html_report import write_report
from mmseg_uncertainty.apis.run_config import data_of
from mmseg_uncertainty.datasets import CORRUPTIONS
from mmseg_uncertainty.engine.checkpoints import load_checkpoints_safely, read_checkpoint
from mmseg_uncertainty.engine.hooks import BestAndWorstHook
from mmseg_uncertainty.evaluation import EVALUATORS
from mmseg_uncertainty.runtime.output_files import check_output_file, check_output_folder
from mmseg_uncertainty.runtime.tta_options import add_tta_options, tta_of

DATASETS = Path(__file__).resolve().parents[1] / 'local_configs/_base_/datasets'
ALIASES = dict(
    folder='anomaly_folder', FSLF='fs_lost_found', FSST='fs_static', SA='smiyc_anomaly', SO='smiyc_obstacle',
    CS='cityscapes')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', metavar='CONFIG',
                        help='a config with a model and, without --test-dataset, a test_dataloader')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', nargs='?',
                        help='fills the model and all of its heads; none where the config names the weights and no head has to '
                             'be fitted')
    parser.add_argument('--eval', nargs='+', metavar='NAME', default=[],
                        help=f'evaluators: {", ".join(EVALUATORS)}; default: those of the config')
    parser.add_argument('--protocol', metavar='NAME',
                        help='protocol of the evaluators that --eval names, such as pooled, per_image or published')
    parser.add_argument('--test-dataset', metavar='NAME',
                        help=f'one of {", ".join(dataset_names())}, or {", ".join(ALIASES)}; default: that of the config')
    parser.add_argument('--data-root', metavar='DIR', help='folder of the test data')
    parser.add_argument('--corrupt-type', '--corrupt-typ', metavar='NAME', help=f'one of {", ".join(CORRUPTIONS)}')
    parser.add_argument('--corrupt-severity', '--corrupt-sev', type=int, default=1, metavar='0..5',
                        help='how much --corrupt-type spoils the images; default: %(default)s')
    parser.add_argument('--skip-broken', action='store_true', help='leave out and count images that cannot be used')
    parser.add_argument('--allow-overlap', action='store_true', help='also test on what the model was calibrated on')
    parser.add_argument('--out', metavar='FILE.json', help='write results and their provenance here')
    parser.add_argument('--plot-dir', metavar='DIR', help='draw the curves of the evaluators that --eval names here')
    parser.add_argument('--report', type=Path, metavar='DIR',
                        help='write report.html here, one file with table, curves, best and worst images and provenance')
    parser.add_argument('--work-dir', metavar='DIR',
                        help='where logs go; default: work_dir of the config, else work_dirs/<name of the config>')
    parser.add_argument('--amp', choices=['bfloat16', 'float16'], help='run the base model in mixed precision')
    parser.add_argument('--channels-last', action='store_true', help='run the base model on maps stored by pixel')
    add_tta_options(parser)
    add_cache_options(parser)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='change values of the config, such as test_dataloader.dataset.length=10')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='what started the processes, where there are several; default: none')
    parser.add_argument('--debug', action='store_true', help='show the traceback of errors')
    args = parser.parse_args()
    for option, value in (('--protocol', args.protocol), ('--plot-dir', args.plot_dir)):
        if value and not args.eval:
            parser.error(f'{option} is an option of the evaluators that --eval names; add --eval, or set it in '
                         'test_evaluator of the config')
    return args


def dataset_names() -> list[str]:
    """Names that ``--test-dataset`` accepts, besides the short ones."""
    return sorted(path.stem for path in DATASETS.glob('*.py'))


def dataset_config(name: str) -> Config:
    """Config of the test dataset of this name."""
    path = DATASETS / f'{ALIASES.get(name, name)}.py'
    if not path.is_file():
        close = get_close_matches(name, [*dataset_names(), *ALIASES], n=1)
        hint = f' Did you mean {close[0]}?' if close else ''
        raise ValueError(f'--test-dataset {name}: unknown.{hint} Choose from {", ".join(dataset_names())} or the '
                         f'short names {", ".join(ALIASES)}.')
    return Config.fromfile(path)


def test_config(args: argparse.Namespace) -> Config:
    """The config of this run.

    Raises:
        OutputError: The work folder cannot be written.
        ValueError: The config has no test data, or an option is unknown.
    """
    config = load_config(args.config)
    if args.test_dataset:
        use_dataset(config, dataset_config(args.test_dataset), args.data_root)
    elif args.data_root:
        data_of(config, 'test').data_root = args.data_root
    data_of(config, 'test')
    if args.corrupt_type not in (None, 'None'):
        corrupt_test_images(config, args.corrupt_type, args.corrupt_severity)
    if args.skip_broken:
        config.test_dataloader.dataset.skip_broken = True
    if args.eval:
        options = dict(protocol=args.protocol, plot_dir=args.plot_dir or (args.report and str(args.report / 'plots')))
        use_evaluators(config, args.eval, **{key: value for key, value in options.items() if value})
    if args.cfg_options:
        config.merge_from_dict(args.cfg_options)
    if tta_of(args) is not None:
        config.model.tta = tta_of(args)
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
    check_output_folder(args.report, '--report')
    check_output_folder(args.plot_dir, '--plot-dir')
    check_output_folder(args.cache, '--cache')


def main() -> None:
    """Run the tool."""
    args = parse_args()
    check_outputs(args)
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
    options['tta'] = tta_of(args)
    if args.out:
        write_json(args.out, results_of_test(runner, metrics, args.config, args.checkpoint, **options))
    if args.report:
        results = results_of_test(runner, metrics, args.config, args.checkpoint, **options)
        write_json(args.report / 'results.json', results)
        ranked = next(hook for hook in runner.hooks if isinstance(hook, BestAndWorstHook))
        plots = Path(args.plot_dir or args.report / 'plots').glob('*.png')
        print(f'Report: {write_report(args.report / "report.html", results, runner, plots, ranked)}')


if __name__ == '__main__':
    run_command(main, 'Nothing was written. Run the same command again; with --cache DIR it finds what was computed.')

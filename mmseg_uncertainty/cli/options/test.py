"""Measure how well a model's uncertainty finds its mistakes and unknown objects."""
from __future__ import annotations

import argparse
from pathlib import Path

from mmseg_uncertainty.runtime.benchmark_protocols import PROTOCOLS
from mmseg_uncertainty.runtime.near_names import did_you_mean
from mmseg_uncertainty.runtime.option_types import whole_number
from mmseg_uncertainty.runtime.shipped_files import dataset_configs
from mmseg_uncertainty.runtime.tta_options import add_tta_options

from ..names import CORRUPTIONS, DATASET_ALIASES, EVALUATORS
from ..parsing import add_cache_options, add_config_options, add_launcher, add_model

ON_INTERRUPT = 'Nothing was written. Run the same command again; with --cache DIR it finds what was computed.'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_measurement_options(parser)
    parser.add_argument('--out', metavar='FILE.json', help='write results and their provenance here')
    parser.add_argument('--report', type=Path, metavar='DIR',
                        help='write report.html here, one file with table, curves, best and worst images and provenance')


def add_measurement_options(parser: argparse.ArgumentParser) -> None:
    """Add what says on what and how to measure."""
    parser.add_argument('--compare', type=Path, metavar='FILE.json',
                        help='results.json of another run, which the report shows beside this one')
    add_model(parser, 'fills the model and all of its heads; a named model has its own')
    parser.add_argument('--eval', nargs='+', metavar='NAME', default=[],
                        help=f'evaluators: {", ".join(EVALUATORS)}; default: those of the config')
    parser.add_argument('--heads', nargs='+', metavar='NAME',
                        help='measure these heads only: heads of the config, or scores without fit, such as msp and energy')
    parser.add_argument('--protocol', metavar='NAME',
                        help=f'measure as a benchmark or paper does (docs/protocols.md): {", ".join(PROTOCOLS)}; or the protocol of '
                             'the evaluators that --eval names, such as pooled, per_image or published')
    parser.add_argument('--test-dataset', metavar='NAME',
                        help=f'one of {", ".join(dataset_configs())}, or {", ".join(DATASET_ALIASES)}; default: that of the '
                             'config')
    parser.add_argument('--images', type=Path, metavar='DIR', help='test on the images of this folder, with --labels')
    parser.add_argument('--labels', type=Path, metavar='DIR',
                        help='their labels: class indices from 0, 255 for void, matched by stem')
    parser.add_argument('--data-root', metavar='DIR', help='folder of the test data')
    parser.add_argument('--corrupt-type', '--corrupt-typ', metavar='NAME', help=f'one of {", ".join(CORRUPTIONS)}')
    parser.add_argument('--corrupt-severity', '--corrupt-sev', type=whole_number(0, 5), default=1, metavar='0..5',
                        help='how much --corrupt-type spoils the images; default: %(default)s')
    parser.add_argument('--roi', type=Path, metavar='FILE|DIR',
                        help='measure inside this region only: an image that is above 0 there, or a folder with one for each image')
    parser.add_argument('--skip-broken', action='store_true', help='leave out and count images that cannot be used')
    parser.add_argument('--allow-overlap', action='store_true', help='also test on what the model was calibrated on')
    parser.add_argument('--plot-dir', metavar='DIR', help='draw the curves of the evaluators that --eval names here')
    parser.add_argument('--work-dir', metavar='DIR',
                        help='where logs go; default: work_dir of the config, else work_dirs/<name of the config>')
    parser.add_argument('--amp', choices=['bfloat16', 'float16'], help='run the base model in mixed precision')
    parser.add_argument('--channels-last', action='store_true', help='run the base model on maps stored by pixel')
    add_tta_options(parser)
    add_cache_options(parser)
    add_config_options(parser, 'test_dataloader.dataset.length=10')
    add_launcher(parser)


def check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse options that would have no effect."""
    if bool(args.images) != bool(args.labels):
        parser.error('--images DIR and --labels DIR belong together')
    if args.images and (args.test_dataset or args.data_root):
        parser.error('--images DIR is a test dataset of its own; leave out --test-dataset and --data-root')
    if args.compare and not args.report:
        parser.error('--compare FILE.json is shown in a report; add --report DIR')
    by_name = args.protocol in PROTOCOLS
    for option, value in (('--protocol', not by_name and args.protocol), ('--plot-dir', not by_name and args.plot_dir)):
        if value and not args.eval:
            near = did_you_mean(args.protocol, PROTOCOLS) if option == '--protocol' else ''
            if near:
                parser.error(f'--protocol {args.protocol}: unknown.{near} By name go {", ".join(PROTOCOLS)}.')
            parser.error(f'{option} is an option of the evaluators that --eval names; add --eval, or set it in '
                         'test_evaluator of the config')

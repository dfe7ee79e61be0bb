"""Predict classes and uncertainty for an image, a folder, a pattern or a video."""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmseg_uncertainty.runtime.command_line import run_plain_command
from mmseg_uncertainty.runtime.output_files import check_output_folder
from mmseg_uncertainty.runtime.tta_options import add_tta_options, tta_of

ON_INTERRUPT = 'Results of the images that were done are in --out. Run the same command again to predict all.'


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('inputs', metavar='IMAGE|FOLDER|PATTERN|VIDEO', help='what to predict; folders with all below them')
    parser.add_argument('model', metavar='CONFIG|NAME|MODEL.onnx',
                        help='a config, the name of a model in model-index.yml, or a file of tools/export_onnx.py, which '
                             'runs without torch')
    parser.add_argument('checkpoint', nargs='?', help='of a config; a named model has its own')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/infer'), metavar='DIR',
                        help='write label maps, uncertainty maps (npz), overlays, figures and a JSON per image here')
    parser.add_argument('--threshold', nargs='+', type=head_and_value, default=[], metavar='HEAD=VALUE',
                        help='flag pixels whose uncertainty reaches this value')
    parser.add_argument('--every', type=int, default=1, metavar='N', help='predict every N-th frame of videos')
    parser.add_argument('--batch-size', type=int, default=1, help='most images of one size in one pass')
    parser.add_argument('--max-pixels', type=int, help='most pixels of one pass; larger inputs are cut in tiles')
    add_tta_options(parser)
    parser.add_argument('--device', help='such as cpu or cuda:0; default: the best there is')
    parser.add_argument('--skip-broken', action='store_true', help='leave out and report files that cannot be read')
    parser.add_argument('--debug', action='store_true', help='show the traceback of errors')
    return parser.parse_args()


def head_and_value(text: str) -> tuple[str, float]:
    """Parse ``HEAD=VALUE``."""
    head, _, value = text.rpartition('=')
    try:
        return head, float(value if head else '')
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is no HEAD=VALUE, such as {head or text or "entropy"}=1.2') from None


def predict(args: argparse.Namespace) -> dict:
    """Results of the model, with or without torch."""
    options = dict(max_pixels=args.max_pixels) if args.max_pixels else {}
    common = dict(out_dir=args.out, skip_broken=args.skip_broken, every=args.every)
    if args.model.endswith('.onnx'):
        if args.device or args.batch_size != 1 or args.checkpoint:
            raise ValueError(f'{args.model} holds its weights, and runs image by image on the CPU. Leave out --device, '
                             '--batch-size and the checkpoint.')
        from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor
        if tta_of(args) is not None:
            raise ValueError(f'{args.model} predicts images as they are; --tta needs the config and the checkpoint of the model.')
        return OnnxSegmentor(args.model, dict(args.threshold), **options)(args.inputs, **common)
    import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
    from mmseg_uncertainty.apis import UncertaintyInferencer
    inferencer = UncertaintyInferencer(args.model, args.checkpoint, args.device, dict(args.threshold), tta=tta_of(args),
                                       **options)
    return inferencer(args.inputs, batch_size=args.batch_size, **common)


def main() -> None:
    """Run the tool."""
    args = parse_args()
    check_output_folder(args.out, '--out')
    results = predict(args)
    skipped = f', {len(results["skipped"])} left out' if results['skipped'] else ''
    print(f'{len(results["predictions"])} images predicted{skipped}; results: {args.out}')


if __name__ == '__main__':
    if any(argument.endswith('.onnx') for argument in sys.argv):
        run_plain_command(main, on_interrupt=ON_INTERRUPT)
    else:
        from mmseg_uncertainty.apis import run_command
        run_command(main, ON_INTERRUPT)

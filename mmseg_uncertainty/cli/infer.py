"""Predict classes and uncertainty for an image, a folder, a pattern or a video."""
from __future__ import annotations

import argparse

from mmseg_uncertainty.runtime.output_files import check_output_folder
from mmseg_uncertainty.runtime.prediction_writer import SaveOptions
from mmseg_uncertainty.runtime.tta_options import tta_of


def execute(args: argparse.Namespace) -> None:
    """Run the command."""
    check_output_folder(args.out, '--out')
    results = predict(args)
    skipped = f', {len(results["skipped"])} left out' if results['skipped'] else ''
    print(f'{len(results["predictions"])} images predicted{skipped}; results: {args.out}')


def predict(args: argparse.Namespace) -> dict:
    """Results of the model, with or without torch."""
    options = dict(max_pixels=args.max_pixels) if args.max_pixels else {}
    save = SaveOptions(args.save, args.map_type, args.resume, args.codec)
    common = dict(out_dir=args.out, skip_broken=args.skip_broken, every=args.every, save=save)
    if args.model.endswith('.onnx'):
        if args.device or args.batch_size != 1 or args.checkpoint:
            raise ValueError(f'{args.model} holds its weights, and runs image by image on the CPU. Leave out --device, '
                             '--batch-size and the checkpoint.')
        from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor
        if tta_of(args) is not None:
            raise ValueError(f'{args.model} predicts images as it was exported; export it with --tta, or predict with the config '
                             'and the checkpoint.')
        return OnnxSegmentor(args.model, dict(args.threshold), **options)(args.inputs, **common)
    import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
    from mmseg_uncertainty.apis import UncertaintyInferencer
    inferencer = UncertaintyInferencer(args.model, args.checkpoint, args.device, dict(args.threshold), tta=tta_of(args),
                                       **options)
    return inferencer(args.inputs, batch_size=args.batch_size, **common)

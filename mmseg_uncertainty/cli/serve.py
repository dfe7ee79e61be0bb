"""Predict images that come by HTTP."""
from __future__ import annotations

import argparse

from mmseg_uncertainty.serving.limits import Limits
from mmseg_uncertainty.serving.served_model import ServedModel


def execute(args: argparse.Namespace) -> None:
    """Run the command."""
    try:
        from mmseg_uncertainty.serving.server import allowed_hosts, bound_socket, serve
        from mmseg_uncertainty.serving.uncertainty_service import create_app
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f'The service needs {error.name}, which is not installed. Run `pip install '
                                  '"mmseg_uncertainty[serve]"`.', name=error.name) from error
    limits = Limits(args.max_megabytes, args.max_megapixels, args.max_waiting, args.batch_size, args.timeout)
    with bound_socket(args.host, args.port) as opened:
        serve(create_app(load_model(args), limits, allowed_hosts(args.host)), opened)


def load_model(args: argparse.Namespace) -> ServedModel:
    """The model of the command line, with or without torch.

    Raises:
        ValueError: A file that holds its weights was given a checkpoint or a device.
    """
    if args.model.endswith('.onnx'):
        if args.device or args.checkpoint:
            raise ValueError(f'{args.model} holds its weights, and runs on the CPU. Leave out --device and the checkpoint.')
        from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor
        segmentor = OnnxSegmentor(args.model, dict(args.threshold), show_progress=False)
        return ServedModel(segmentor.predict_batch, segmentor.classes, segmentor.palette, segmentor.scales,
                           segmentor.predictor.decisions, segmentor.provenance)
    import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
    from mmseg_uncertainty.apis import UncertaintyInferencer
    inferencer = UncertaintyInferencer(args.model, args.checkpoint, args.device, dict(args.threshold), show_progress=False)
    return ServedModel(inferencer.predict_batch, inferencer.classes, inferencer.palette, inferencer.scales,
                       inferencer.decisions, inferencer.model.provenance)

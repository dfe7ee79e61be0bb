"""How fast an exported model is: torch, TorchScript and ONNX Runtime side by side in one run."""
from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from side_by_side import row, run_benchmark, seconds_in_turns
from torch import Tensor

from mmseg_uncertainty.apis.export_parity import graph_parity
from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.apis.onnx_export import export_onnx, onnx_runner
from mmseg_uncertainty.apis.torch_export import export_torchscript
from mmseg_uncertainty.engine.checkpoints import read_checkpoint, state_dict_of

ROOT = Path(__file__).resolve().parents[2]
# FED-C and sets at one threshold, on the shipped base models; what the flow is fitted to does not change its cost.
BASES = {
    'SegFormer-B0': ('segformer/segformer_b0_camvid_FEDC.py', 'segformer_b0_camvid.pth'),
    'DeepLabV3+': ('deeplabv3plus/deeplabv3plus_mnv2_camvid_FEDC.py', 'deeplabv3plus_mnv2_camvid.pth'),
}
CASES_QUICK = [(1, 240, 320)]
CASES_FULL = [(1, 240, 320), (1, 360, 480), (4, 360, 480), (1, 512, 1024)]
THRESHOLD = 0.05


def segmentor(config: str, weights: str) -> ExportedSegmentor:
    """A shipped base model with FED-C, scores and prediction sets."""
    model_config = Config.fromfile(ROOT / 'local_configs' / config).model
    classes = model_config.decode_head.num_classes
    model_config.set_head = dict(type='ConformalRiskControlHead', num_classes=classes, keep_curves=False)
    torch.manual_seed(0)
    model = MODELS.build(model_config).eval()
    model.load_state_dict(state_dict_of(read_checkpoint(ROOT / 'checkpoints' / weights)), strict=False)
    model.set_head.thresholds.fill_(THRESHOLD)
    return ExportedSegmentor(model, preprocess=True, probabilities=True)


def runners(exported: ExportedSegmentor, folder: Path, threads: int) -> dict[str, Callable[[Tensor], object]]:
    """The same model in every form."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    path = export_onnx(exported, folder / 'model.onnx')
    session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    script = torch.jit.load(str(export_torchscript(exported, folder / 'model.pt')))
    return {'torch': exported, 'TorchScript': script, 'ONNX Runtime': lambda images: session.run(None, {'images': images.numpy()})}


@torch.inference_mode()
def rows(args: argparse.Namespace) -> Iterator[dict]:
    """One row per model, size and form; the peer is eager torch."""
    for title, source in BASES.items():
        exported = segmentor(*source)
        with tempfile.TemporaryDirectory() as folder:
            forms = runners(exported, Path(folder), args.threads)
            agreement = graph_parity(exported, onnx_runner(Path(folder) / 'model.onnx'), [(64, 96)], [1])[0]['agreement']
            for batch, height, width in CASES_QUICK if args.quick else CASES_FULL:
                images, = exported.example_inputs(batch, height, width)
                turns = {name: lambda run=run, images=images: run(images) for name, run in forms.items()}
                seconds = seconds_in_turns(turns, 3 if args.quick else 7)
                for form in ('TorchScript', 'ONNX Runtime'):
                    yield row(f'{title}, {batch}x{height}x{width}: {form}', 1e3 * seconds[form] / batch,
                              1e3 * seconds['torch'] / batch, 'ms/image',
                              f'FED-C, scores, probabilities, sets; {args.threads} threads; labels agree {100 * agreement:.4f} %')


if __name__ == '__main__':
    init_default_scope('mmseg')
    run_benchmark(__doc__, rows, onnxruntime=metadata.version('onnxruntime'))

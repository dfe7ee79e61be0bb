"""What heads add to the inference of a frozen model, measured side by side in one run."""
from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from side_by_side import row, run_benchmark, seconds_in_turns
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

ROOT = Path(__file__).resolve().parents[2]
STATELESS = dict(msp=dict(type='MSPHead'), max_logit=dict(type='MaxLogitHead'), energy=dict(type='EnergyHead'),
                 entropy=dict(type='EntropyHead'), margin=dict(type='MarginHead'))
PIXELWISE = dict(type='FlowEneDetHead', flow=dict(kernel_size=1))
FLAGGED = 'all stateless scores, each with flags'
HEADS = {
    'all stateless scores': STATELESS,
    FLAGGED: STATELESS,
    'FED-U': dict(fedu=PIXELWISE),
    'FED-C': dict(fedc=dict(conditional=True, **PIXELWISE)),
    'FED-C, 7x7': dict(fedc=dict(type='FlowEneDetHead', conditional=True)),
    'MC-dropout, 32 samples': dict(mc_dropout=dict(type='MCDropoutHead', samples=32)),
}
# Name, config, input and output height and width.
MODELS_QUICK = [('SegFormer-B0', 'mmseg::_base_/models/segformer_mit-b0.py', {}, (384, 480), (360, 480)),
                ('ERFNet', str(ROOT / 'local_configs/_base_/models/erfnet_cityscapes.py'), {}, (512, 1024), (1024, 2048))]
MODELS_FULL = [
    *MODELS_QUICK,
    ('SegFormer-B2', 'mmseg::_base_/models/segformer_mit-b0.py',
     {'backbone.embed_dims': 64, 'backbone.num_layers': [3, 4, 6, 3], 'decode_head.in_channels': [64, 128, 320, 512]},
     (512, 1024), (512, 1024)),
    ('DeepLabV3+ R101', 'mmseg::_base_/models/deeplabv3plus_r50-d8.py', {'backbone.depth': 101}, (512, 1024), (512, 1024)),
]


def base_config(source: str, changes: dict) -> Config:
    """Model config of a zoo file with some values changed, without pretrained weights."""
    config = Config.fromstring(f'_base_ = [{source!r}]\n', '.py').model
    config = Config(dict(model=config))
    config.merge_from_dict({f'model.{key}': value for key, value in changes.items()})
    config.model.pop('pretrained', None)
    return config.model


def models(source: str, changes: dict) -> dict[str, nn.Module]:
    """The base model and one posthoc model per set of heads, with equal weights."""
    torch.manual_seed(0)
    built = {'base': MODELS.build(base_config(source, changes)).eval()}
    for name, heads in HEADS.items():
        config = base_config(source, changes)
        heads = copy.deepcopy(heads)
        channels = built['base'].decode_head.conv_seg.in_channels
        if 'fedc' in heads:
            heads['fedc']['condition_channels'] = min(32, channels)
        flags = {head: dict(type='FlagThreshold', head=head) for head in heads} if name == FLAGGED else {}
        config.update(type='PosthocSegmentor', uncertainty_heads=heads, decisions=flags)
        built[name] = MODELS.build(config).eval()
        for decision in built[name].decisions.values():
            decision.threshold.fill_(.5)
        built[name].load_state_dict(built['base'].state_dict(), strict=False)
    return built


def multiplications(model: nn.Module, size: tuple, output: tuple) -> float:
    """Multiply-accumulate operations of one prediction, in 10⁹."""
    with FlopCounterMode(display=False) as counter:
        predict(model, size, output)
    return counter.get_total_flops() / 2e9


@torch.inference_mode()
def predict(model: nn.Module, size: tuple, output: tuple) -> None:
    """Predict one image of noise."""
    meta = dict(ori_shape=output, img_shape=size, pad_shape=size)
    model.predict(torch.randn(1, 3, *size), [SegDataSample(metainfo=meta)])


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """One row per model and set of heads; ``ratio`` is the time with heads over the time without."""
    init_default_scope('mmseg')
    for title, source, changes, size, output in (MODELS_QUICK if args.quick else MODELS_FULL):
        built = models(source, changes)
        operations = {name: multiplications(model, size, output) for name, model in built.items()}
        seconds = seconds_in_turns({name: partial(predict, model, size, output) for name, model in built.items()},
                                   3 if args.quick else 7)
        for name in HEADS:
            head_parameters = sum(parameter.numel() for parameter in built[name].uncertainty_heads.parameters())
            yield row(f'{title}: {name}', seconds[name], seconds['base'], 's/image',
                      f'{size[0]}x{size[1]} in, {output[0]}x{output[1]} out; {head_parameters:,} parameters and '
                      f'{operations[name] - operations["base"]:.2f} GMAC on top of {operations["base"]:.1f}',
                      ratio=seconds[name] / seconds['base'])


if __name__ == '__main__':
    run_benchmark(__doc__, rows)

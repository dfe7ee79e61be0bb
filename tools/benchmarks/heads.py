"""What heads add to the inference of a frozen model, measured side by side in one run."""
from __future__ import annotations

import argparse
import copy
import platform
import statistics
import time
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mmseg_uncertainty.apis import versions, write_json

ROOT = Path(__file__).resolve().parents[2]
STATELESS = dict(msp=dict(type='MSPHead'), max_logit=dict(type='MaxLogitHead'), energy=dict(type='EnergyHead'),
                 entropy=dict(type='EntropyHead'), margin=dict(type='MarginHead'))
HEADS = {
    'all stateless scores': STATELESS,
    'FED-U': dict(fedu=dict(type='FlowEneDetHead')),
    'FED-C': dict(fedc=dict(type='FlowEneDetHead', conditional=True)),
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


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--quick', action='store_true', help='small models only, under a minute')
    parser.add_argument('--json', type=Path, help='write the rows here')
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    return parser.parse_args()


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
        config.update(type='PosthocSegmentor', uncertainty_heads=heads)
        built[name] = MODELS.build(config).eval()
        built[name].load_state_dict(built['base'].state_dict(), strict=False)
    return built


@torch.inference_mode()
def interleaved_seconds(built: dict[str, nn.Module], size: tuple, output: tuple, rounds: int) -> dict[str, float]:
    """Median seconds of one prediction of each model; models take turns, so that other load hits all alike."""
    image = torch.randn(1, 3, *size)
    meta = dict(ori_shape=output, img_shape=size, pad_shape=size)
    times = {name: [] for name in built}
    for _ in range(rounds + 1):
        for name, model in built.items():
            start = time.perf_counter()
            model.predict(image, [SegDataSample(metainfo=meta)])
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def rows(quick: bool) -> list[dict]:
    """One row per model and set of heads; ``ratio`` is the time with heads over the time without."""
    table = []
    for title, source, changes, size, output in (MODELS_QUICK if quick else MODELS_FULL):
        built = models(source, changes)
        seconds = interleaved_seconds(built, size, output, 5 if quick else 9)
        for name in HEADS:
            head_parameters = sum(parameter.numel() for parameter in built[name].uncertainty_heads.parameters())
            table.append(dict(
                name=f'{title}: {name}', ours=seconds[name], peer=seconds['base'], ratio=seconds[name] / seconds['base'],
                unit='s per image', protocol=f'{size[0]}x{size[1]} in, {output[0]}x{output[1]} out, median of interleaved '
                f'runs; {head_parameters:,} parameters'))
            print(f'{table[-1]["name"]:40s} {seconds[name]:.3f} s, base alone {seconds["base"]:.3f} s: '
                  f'{table[-1]["ratio"]:.2f}x', flush=True)
    return table


def main() -> None:
    """Run the tool."""
    args = parse_args()
    torch.set_num_threads(args.threads)
    init_default_scope('mmseg')
    table = rows(args.quick)
    if args.json:
        machine = dict(processor=platform.processor() or platform.machine(), threads=args.threads)
        write_json(args.json, dict(machine=machine, versions=versions(), rows=table))


if __name__ == '__main__':
    main()

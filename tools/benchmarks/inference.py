"""What kept memory, subnormals as zero, mixed precision and channels-last save; what the last two do to metrics, on ToyRoads."""
from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from side_by_side import row, run_benchmark, seconds_in_turns
from torch import Tensor

from mmseg_uncertainty.apis import load_posthoc
from mmseg_uncertainty.runtime.freed_memory import keep_freed_memory

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = {'bfloat16': ['--amp', 'bfloat16'], 'channels-last': ['--channels-last']}
SPEED = {'SegFormer-B0': 'segformer/segformer_b0_toy_roads_SCORES.py',
         'DeepLabV3+ MobileNetV2': 'deeplabv3plus/deeplabv3plus_mnv2_camvid_SCORES.py'}
CONFIG, CHECKPOINT = 'segformer/segformer_b0_toy_roads_FED_CRC.py', 'segformer_b0_toy_roads_FED_CRC.pth'
SPREADS = ('_low', '_high', '_bound')
DATA = Path(os.environ.get('DATA_ROOT', ROOT / 'data'))
DEAD_CHANNELS = 'cgnet/cgnet_camvid_SCORES.py', DATA / 'weights/cgnet_camvid11_mmseg.pth'
HEADLINES = ('mIoU', 'aAcc', 'ECE', 'NLL', 'set/coverage', 'set/mean_size', *(
    f'{head}/IDM_{name}' for head in ('msp', 'fedu', 'fedc') for name in ('AP', 'FPR95', 'AUROC')))


def metrics(images: int, options: list[str]) -> dict[str, float]:
    """Numbers of the shipped model on the first images of the ToyRoads test."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / 'results.json'
        subprocess.run([
            sys.executable, ROOT / 'tools/test.py', ROOT / 'local_configs' / CONFIG, ROOT / 'checkpoints' / CHECKPOINT, '--eval',
            'mIoU', 'IDM', 'ECE', 'coverage', '--out', out, '--work-dir', folder, *options, '--cfg-options',
            f'test_dataloader.dataset.indices={images}'], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        values = json.loads(out.read_text(encoding='utf-8'))['metrics']
    return {key: value for key, value in values.items() if not key.split('[')[0].endswith(SPREADS)}


def prediction(config: str, size: tuple[int, int], precision: torch.dtype | None, channels_last: bool) -> Callable[[], None]:
    """A prediction of a model, random weights, with MSP alone."""
    torch.manual_seed(0)
    base = Config.fromfile(ROOT / 'local_configs' / config).model
    base.uncertainty_heads = dict(msp=dict(type='MSPHead'))
    model = MODELS.build(base).eval()
    model.hasten(precision, channels_last)
    images, sample = torch.randn(1, 3, *size), SegDataSample(metainfo=dict(ori_shape=size, img_shape=size, pad_shape=size))

    def run() -> None:
        with torch.no_grad():
            model.predict(images, [sample.new()])

    return run


def seconds_of_process(config: str, size: tuple[int, int], keep: bool, rounds: int) -> float:
    """Processor time of the fastest prediction in a process that keeps freed memory, or one that does not."""
    if keep:
        keep_freed_memory()
    torch.set_num_threads(1)
    init_default_scope('mmseg')
    return seconds_in_turns(dict(prediction=prediction(config, size, None, False)), rounds)['prediction']


def kept_memory(title: str, config: str, size: tuple[int, int], rounds: int) -> dict:
    """Row of a model, with the fastest of three processes of each kind, in turns."""
    seconds = {True: [], False: []}
    for _ in range(3):
        for keep, measured in seconds.items():
            with ProcessPoolExecutor(1, get_context('spawn')) as process:
                measured.append(process.submit(seconds_of_process, config, size, keep, rounds).result())
    return row(f'{title}, freed memory kept', min(seconds[True]), min(seconds[False]), 's',
               f'one image {size[0]}x{size[1]}, one thread; peer is the way of the C library')


def subnormals_as_zero(rounds: int) -> dict:
    """Row of a trained model of which half of the weights are subnormal numbers; one thread has one setting."""
    config, checkpoint = DEAD_CHANNELS
    model = load_posthoc(ROOT / 'local_configs' / config, checkpoint)
    size = (360, 480)
    images, sample = torch.rand(1, 3, *size), SegDataSample(metainfo=dict(ori_shape=size, img_shape=size, pad_shape=size))

    def predict(as_zero: bool) -> Tensor:
        torch.set_flush_denormal(as_zero)
        return model.predict(images, [sample.new()])[0].seg_logits.data

    if not torch.equal(predict(True), predict(False)):
        raise RuntimeError(f'{checkpoint}: subnormal numbers move the logits.')
    seconds = seconds_in_turns({as_zero: partial(predict, as_zero) for as_zero in (True, False)}, rounds)
    return row('CGNet, subnormal numbers as zero', seconds[True], seconds[False], 's', 'one image 360x480, one thread; logits equal')


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Times of three models, then every metric of one."""
    init_default_scope('mmseg')
    if DEAD_CHANNELS[1].is_file() and torch.get_num_threads() == 1:
        yield subnormals_as_zero(1 if args.quick else 3)
    size = (256, 512) if args.quick else (512, 1024)
    for title, config in SPEED.items():
        yield kept_memory(title, config, size, 2 if args.quick else 4)
        seconds = seconds_in_turns({
            'plain': prediction(config, size, None, False), 'bfloat16': prediction(config, size, torch.bfloat16, False),
            'channels-last': prediction(config, size, None, True)}, 2 if args.quick else 5)
        for option in OPTIONS:
            yield row(f'{title}, {option}', seconds[option], seconds['plain'], 's', f'one image {size[0]}x{size[1]}')
    images = 4 if args.quick else 40
    plain = metrics(images, [])
    for option, arguments in OPTIONS.items():
        changed = metrics(images, arguments)
        protocol = f'{images} images of ToyRoads test, SegFormer-B0'
        for key, value in changed.items():
            if key.split('[')[0] in HEADLINES:
                yield row(f'{key.split("[")[0]}, {option}', value, plain[key], '', protocol, math.nan)
        farthest = max(changed, key=lambda key: abs(changed[key] - plain[key]) / max(abs(plain[key]), 1e-2))
        yield row(f'{farthest}, {option}', changed[farthest], plain[farthest], '',
                  f'{protocol}: of all {len(changed)} numbers the one with the largest relative change', math.nan)


if __name__ == '__main__':
    run_benchmark(__doc__, rows)

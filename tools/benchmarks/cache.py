"""What the frozen model's outputs cost when they are found in a cache, beside computing them again."""
from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from side_by_side import row, run_benchmark, seconds_in_turns

from mmseg_uncertainty.caching import BaseOutputCache
from mmseg_uncertainty.models import PosthocSegmentor

ROOT = Path(__file__).resolve().parents[2]
MODELS_MEASURED = [('SegFormer-B0', 'segformer/segformer_b0_camvid', (256, 320)),
                   ('DeepLabV3+ MobileNetV2', 'deeplabv3plus/deeplabv3plus_mnv2_camvid', (256, 320))]


def training_step(model: PosthocSegmentor, images: torch.Tensor, samples: list[SegDataSample]) -> None:
    """Losses and gradients of one batch."""
    model.train()
    model.zero_grad()
    losses = model.loss(images, samples)
    sum(value for key, value in losses.items() if 'loss' in key).backward()


def batch(size: tuple[int, int], images: int) -> tuple[torch.Tensor, list[SegDataSample]]:
    """Random images with labels of 11 classes."""
    samples = []
    for _ in range(images):
        samples.append(SegDataSample(metainfo=dict(ori_shape=size, img_shape=size, pad_shape=size)))
        samples[-1].gt_sem_seg = PixelData(data=torch.randint(11, (1, *size)))
    return torch.randn(images, 3, *size), samples


def measured(title: str, config: str, size: tuple[int, int], rounds: int, folder: str) -> Iterator[dict]:
    """Rows of one model."""
    base = Config.fromfile(ROOT / f'local_configs/{config}_FEDC.py').model
    for heads, name in ((dict(fedc=base.uncertainty_heads.fedc), 'a training step of FED-C'),
                        (dict(msp=dict(type='MSPHead')), 'prediction with MSP')):
        model = MODELS.build(Config(dict(copy.deepcopy(base), uncertainty_heads=copy.deepcopy(heads))))
        images, samples = batch(size, 8 if 'fedc' in heads else 1)
        caches = dict(computed=None) | {
            precision: BaseOutputCache(folder, dict(model=title), precision) for precision in ('float16', 'float32')}
        seconds = seconds_in_turns(
            {key: _step(model, images, samples, cache) for key, cache in caches.items()}, rounds)
        for precision in ('float16', 'float32'):
            yield row(f'{title}: {name}, {precision} cache', seconds[precision], seconds['computed'], 's',
                      f'{len(images)} images of {size[0]}x{size[1]}; peer computes the outputs of the base model')


def _step(model: PosthocSegmentor, images: torch.Tensor, samples: list, cache: BaseOutputCache | None) -> Callable:
    def run() -> None:
        model.cache = cache
        if 'fedc' in model.uncertainty_heads:
            training_step(model, images, samples)
        else:
            with torch.no_grad():
                model.eval().predict(images, samples)
    return run


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Rows of the table."""
    init_default_scope('mmseg')
    with tempfile.TemporaryDirectory() as folder:
        for title, config, size in MODELS_MEASURED[:1 if args.quick else None]:
            yield from measured(title, config, size, 2 if args.quick else 5, folder)


if __name__ == '__main__':
    run_benchmark(__doc__, rows)

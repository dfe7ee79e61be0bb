"""Compares a device with the CPU: the same numbers, no waiting, and how much of its bandwidth is used."""
from __future__ import annotations

import copy
import math
import time
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
import torch
from heads import base_config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from side_by_side import row, run_benchmark
from torch import Tensor, nn

from mmseg_uncertainty import wrap
from mmseg_uncertainty.engine.hooks.fast_inference_hook import PRECISIONS
from mmseg_uncertainty.functional import energy, entropy, margin, max_logit, msp, summarize
from mmseg_uncertainty.functional.score_histogram import ScoreHistogram
from mmseg_uncertainty.plain import UncertaintyModel
from mmseg_uncertainty.plain.evaluating import build_evaluator, numbers_of
from mmseg_uncertainty.plain.method_names import CALIBRATORS, HEADS, SETS

CLASSES, CHANNELS, VOID = 19, 32, 255
# Heads that read what a plain network does not have: the queries of a mask transformer.
OF_QUERIES = ('rba', 'maskomaly')
FLOWS = ('fedu', 'fedc')
DECISIONS = ('false_alarms', 'misses', 'selective_risk', 'precision')
EVALUATORS = ('mIoU', 'mFscore', 'macroF1', 'IDM', 'oIoU', 'ECE', 'coverage')
# What rounding may move, in standard deviations of a map; a flow carries what it moves through its iterations.
SCORE_TOLERANCE, FLOW_TOLERANCE, LABEL_TOLERANCE, SET_TOLERANCE, METRIC_TOLERANCE = 1e-3, 0.05, 1e-4, 1e-3, 1e-9
METRICS_BOUND = 0.02


def network() -> nn.Module:
    """A convolutional network with features in front of its classifier, the same at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        built = nn.Sequential(nn.Conv2d(3, CHANNELS, 5, stride=4, padding=2), nn.ReLU(), nn.Conv2d(CHANNELS, CLASSES, 1))
    with torch.no_grad():
        built[2].weight *= 8
    return built.eval()


def labelled(count: int, size: tuple[int, int]) -> list[tuple[Tensor, Tensor]]:
    """Batches of images, and of labels that the network is right about more often than not."""
    generator, batches = torch.Generator().manual_seed(0), []
    for _ in range(count):
        images = 2 * torch.randn(2, 3, *size, generator=generator)
        with torch.no_grad():
            logits = nn.functional.interpolate(network()(images), size=size, mode='bilinear')
        noise = torch.empty_like(logits).exponential_(generator=generator).log()
        labels = (logits / 2 - noise).argmax(dim=1)
        labels[:, :2] = VOID
        batches.append((images, labels))
    return batches


def fitted(device: str, batches: Sequence[tuple[Tensor, Tensor]], iterations: int, **parts: Any) -> UncertaintyModel:
    """A model that was fitted on a device, flows on the same draws."""
    torch.manual_seed(0)
    model = wrap(network(), num_classes=CLASSES, features_from='2', **parts).to(device)
    target = dict(target_images=[images for images, _ in batches]) if (parts.get('sets') or {}).get('method') == 'weighted' else {}
    fit = model.fit(batches, iterations=iterations, progress=False, **target) if model._parts() else model
    return fit


def distance(ours: Tensor, peer: Tensor) -> float:
    """Largest difference of two maps in standard deviations of the second."""
    ours, peer = ours.detach().cpu().double(), peer.detach().cpu().double()
    return float((ours - peer).abs().max() / peer.std().clamp_min(1e-12))


def parity(args: Namespace) -> Iterator[dict]:
    """Every head, calibrator, set and decision, fitted and predicted on both."""
    size, iterations = ((32, 48), 5) if args.quick else ((128, 256), 50)
    batches = labelled(6 if args.quick else 20, size)
    images = batches[0][0]
    how = (f'fitted on {2 * len(batches)} images of {size[0]}x{size[1]} and predicted on the CPU and on {args.device}; '
           'the tolerance as peer')
    for name in HEADS:
        if name not in OF_QUERIES:
            heads = ['knn', 'energy', name] if name == 'knn_energy' else [name]
            maps = both(args, batches, iterations, lambda result: result.uncertainty[name], images, heads=heads)
            tolerance = FLOW_TOLERANCE if name in FLOWS else SCORE_TOLERANCE
            yield within(f'head {name}', distance(*maps), tolerance, 'std', how)
    for name in CALIBRATORS:
        maps = both(args, batches, iterations, lambda result: result.uncertainty['msp'], images, heads=['msp'], calibrator=name)
        yield within(f'calibrator {name}, MSP', distance(*maps), SCORE_TOLERANCE, 'std', how)
    for name in SETS:
        sets = both(args, batches, iterations, lambda result: result.prediction_set, images, heads=['msp'],
                    sets=dict(method=name, alpha=0.3))
        yield within(f'sets {name}', differing(*sets), SET_TOLERANCE, 'share', f'{how}; share of memberships that differ')
    for promise in DECISIONS:
        flags = both(args, batches, iterations, lambda result: result.flags['flagged'], images, heads=['msp'],
                     decisions=dict(flagged=dict(head='msp', promise=promise, alpha=0.3)))
        yield within(f'decision {promise}', differing(*flags), SET_TOLERANCE, 'share', f'{how}; share of flags that differ')


def both(args: Namespace, batches: Sequence[tuple[Tensor, Tensor]], iterations: int, of: Callable[[Any], Tensor], images: Tensor,
         **parts: Any) -> list[Tensor]:
    """What a model that was fitted and predicts on the device gives, and one on the CPU."""
    results = [fitted(device, batches, iterations, **parts).predict(images) for device in (args.device, 'cpu')]
    return [torch.as_tensor(of(result)).cpu() for result in results]


def differing(ours: Tensor, peer: Tensor) -> float:
    """Share of the entries of two maps that differ."""
    return float((ours != peer).double().mean())


def within(name: str, ours: float, tolerance: float, unit: str, how: str) -> dict:
    """A row of a difference beside its tolerance."""
    verdict = '' if ours <= tolerance else ' **beyond the tolerance**'
    return row(name, ours, tolerance, unit, how + verdict, math.nan)


def evaluators(args: Namespace) -> Iterator[dict]:
    """The numbers of evaluators for the same predictions on both, and how often they make the host wait."""
    size = (64, 96) if args.quick else (512, 1024)
    batches = labelled(8, size)
    model = fitted('cpu', batches, 1, heads=['msp', 'entropy'], sets=dict(alpha=0.3))
    samples = [sample for batch, (images, labels) in enumerate(batches)
               for sample in predicted(model, images, labels, batch * len(images))]
    for name in EVALUATORS:
        numbers, waits = {}, 0
        for device in (args.device, 'cpu'):
            evaluator = build_evaluator(name, model.classes, 'classes', (), dict(resamples=20))
            placed = [sample.to(device) for sample in copy.deepcopy(samples)]
            process(evaluator, placed[:2])
            if device == args.device:
                waits = waiting(args, lambda: process(evaluator, placed[2:]))
            else:
                process(evaluator, placed[2:])
            numbers[device if device == 'cpu' else 'device'] = numbers_of(evaluator, len(samples))
        numbers.setdefault('device', numbers['cpu'])
        yield within(f'evaluator {name}', largest(numbers['device'], numbers['cpu']), METRIC_TOLERANCE, 'relative',
                     f'{len(numbers["cpu"])} numbers of {len(samples)} predictions of {size[0]}x{size[1]}; the tolerance as peer')
        yield row(f'evaluator {name}, waits of the host', waits, 0, 'waits',
                  f'in {len(samples) - 2} images' if on_cuda(args) else 'counted on CUDA alone', math.nan)


def predicted(model: UncertaintyModel, images: Tensor, labels: Tensor, first: int) -> list[SegDataSample]:
    """Samples of a batch with their labels, as evaluators take them."""
    samples = model.samples(list(images), [tuple(label.shape) for label in labels])
    for place, (sample, label) in enumerate(zip(samples, labels)):
        sample.gt_sem_seg = PixelData(data=label[None])
        sample.set_metainfo(dict(img_path=f'{first + place:08d}'))
    return samples


def process(evaluator: Any, samples: Sequence[SegDataSample]) -> None:
    """Measure images one by one."""
    for sample in samples:
        evaluator.process([sample])


def waiting(args: Namespace, function: Callable[[], None]) -> float:
    """How often a function makes the host wait for the device; NaN where nothing can tell."""
    if not on_cuda(args):
        function()
        return math.nan
    torch.cuda.set_sync_debug_mode('warn')
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter('always')
            function()
    finally:
        torch.cuda.set_sync_debug_mode('default')
    return sum('synchroniz' in str(warning.message) for warning in told)


def largest(ours: Mapping[str, float], peer: Mapping[str, float]) -> float:
    """Largest difference of two sets of numbers, relative where they exceed 1; infinite where only one is defined."""
    gaps = [0.]
    for key, value in peer.items():
        if math.isnan(value) != math.isnan(ours[key]):
            return math.inf
        gaps.append(0. if math.isnan(value) or value == ours[key] else abs(ours[key] - value) / max(abs(value), 1))
    return max(gaps)


def bandwidth(args: Namespace) -> Iterator[dict]:
    """Scores and histograms beside reading the same memory once."""
    size = (128, 256) if args.quick else (1024, 2048)
    logits = torch.randn(1, CLASSES, *size, device=args.device) * 5
    scores, groups = logits[:, 0].contiguous(), (torch.rand(1, *size, device=args.device) < 0.1).int()
    read, read_scores = timed(args, logits.sum), timed(args, lambda: (scores.sum(), groups.sum()))
    histogram, shape = ScoreHistogram(2, 20, args.device), f'{size[0]}x{size[1]}x{CLASSES}, {args.device}'

    def every_score() -> list[Tensor]:
        summary = summarize(logits)
        return [score(summary) for score in (msp, max_logit, energy, entropy, margin)]

    for name, function, peer, nbytes in (
            ('five scores and the prediction', every_score, read, logits.nbytes),
            ('histogram of a score', partial(histogram.update, scores, groups), read_scores, scores.nbytes + groups.nbytes)):
        seconds = timed(args, function)
        yield row(f'{name}, share of the bandwidth', 100 * peer / seconds, None, '%',
                  f'{shape}; {1e3 * seconds:.3g} ms, reading alone {1e3 * peer:.3g} ms ({nbytes / peer / 1e9:.0f} GB/s)')


def timed(args: Namespace, function: Callable[[], object], rounds: int = 10) -> float:
    """Shortest seconds of a function, with all that the device does for it, after two rounds that warm up."""
    taken = []
    for _ in range(2 + (2 if args.quick else rounds)):
        start = time.perf_counter()
        function()
        if on_cuda(args):
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return min(taken[2:])


def on_cuda(args: Namespace) -> bool:
    """Whether the device is one that works while the host goes on."""
    return args.device.startswith('cuda')


def forward_pass(args: Namespace) -> Iterator[dict]:
    """Evaluators, training of FED-C and mixed precision beside a pass of SegFormer-B0."""
    init_default_scope('mmseg')
    size = (64, 128) if args.quick else (1024, 2048)
    model = posthoc(dict(msp=dict(type='MSPHead'))).to(args.device)
    inputs, meta = torch.randn(1, 3, *size, device=args.device), dict(ori_shape=size, img_shape=size, pad_shape=size)

    @torch.inference_mode()
    def predict() -> SegDataSample:
        return model.predict(inputs, [SegDataSample(metainfo=dict(meta))])[0]

    exact, pass_seconds = predict(), timed(args, predict)
    sample = copy.deepcopy(exact)
    sample.gt_sem_seg = PixelData(data=torch.randint(0, CLASSES, (1, *size), device=args.device))
    evaluator = build_evaluator(['mIoU', 'IDM', 'ECE'], [str(label) for label in range(CLASSES)], 'classes', (), dict(resamples=0))
    places = iter(range(10**6))

    def evaluate() -> None:
        sample.set_metainfo(dict(img_path=f'{next(places)}'))
        evaluator.process([sample])

    shape = f'SegFormer-B0, one image of {size[0]}x{size[1]}, {args.device}'
    yield row('mIoU, IDM and ECE, share of a forward pass', 100 * timed(args, evaluate) / pass_seconds, 100 * METRICS_BOUND, '%',
              f'{shape}; a pass takes {1e3 * pass_seconds:.3g} ms; the bound as peer', math.nan)
    yield from training(args)
    for name, precision in PRECISIONS.items():
        model.hasten(precision, False)
        seconds, labels = timed(args, predict), predict().pred_sem_seg.data
        agreeing = 100 * float((labels == exact.pred_sem_seg.data).double().mean())
        yield row(f'a pass in {name}', 1e3 * seconds, 1e3 * pass_seconds, 'ms', f'{shape}; {agreeing:.3f} % of the labels agree')


def training(args: Namespace) -> Iterator[dict]:
    """Seconds of an iteration of FED-C."""
    size, batch = ((64, 64), 2) if args.quick else ((512, 512), 8)
    model = posthoc(dict(fedc=dict(type='FlowEneDetHead', conditional=True, condition_channels=32, training_pixels=2048,
                                   flow=dict(kernel_size=1)))).to(args.device)
    heads = model.uncertainty_heads
    optimizer = torch.optim.AdamW([value for value in heads.parameters() if value.requires_grad], lr=4e-3)
    inputs, samples = torch.randn(batch, 3, *size, device=args.device), []
    for _ in range(batch):
        sample = SegDataSample(metainfo=dict(ori_shape=size, img_shape=size, pad_shape=size))
        sample.set_data(dict(gt_sem_seg=PixelData(data=torch.randint(0, CLASSES, (1, *size), device=args.device))))
        samples.append(sample)

    def step() -> None:
        losses = model.loss(inputs, samples)
        optimizer.zero_grad()
        sum(value for name, value in losses.items() if 'loss' in name).backward()
        optimizer.step()

    model.train()
    seconds = timed(args, step)
    yield row('an iteration of FED-C', 1e3 * seconds, None, 'ms',
              f'SegFormer-B0, {batch} images of {size[0]}x{size[1]}, {args.device}; 400 iterations take {400 * seconds:.0f} s')


def posthoc(heads: dict) -> nn.Module:
    """SegFormer-B0 with random weights and heads."""
    torch.manual_seed(0)
    config = base_config('mmseg::_base_/models/segformer_mit-b0.py', {'decode_head.num_classes': CLASSES})
    heads = {name: dict(num_classes=CLASSES, **head) if head['type'] == 'FlowEneDetHead' else head for name, head in heads.items()}
    config.update(type='PosthocSegmentor', uncertainty_heads=heads)
    return MODELS.build(config).eval()


def rows(args: Namespace) -> Iterator[dict]:
    """All parts, and an error at the end where a difference lies beyond its tolerance."""
    if on_cuda(args) and not torch.cuda.is_available():
        raise SystemExit(f'--device {args.device}: torch {torch.__version__} finds no GPU here. Run this on a machine that has one, '
                         'or try the code with --device cpu --quick.')
    for part in (parity, evaluators, bandwidth, forward_pass):
        yield from part(args)


def add_device(parser: ArgumentParser) -> None:
    """The option of this benchmark."""
    parser.add_argument('--device', default='cuda', help='what is compared with the CPU; default: %(default)s')


if __name__ == '__main__':
    run_benchmark(__doc__, rows, add_device)

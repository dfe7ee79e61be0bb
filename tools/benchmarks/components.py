"""Component metrics of ten heads beside a plain implementation of the benchmark's algorithm that measures one.

The peer stands in for the tool of SegmentMeIfYouCan, which is not installed here: it is written anew from the description of the
tool, with quantile bins by ``np.quantile`` and ``np.histogram`` and one mask of the whole image for each component. It finds the
numbers that the tool finds on its golden vectors, as ours does, and its time is an estimate of the tool's.
"""
from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy.ndimage import label, zoom
from side_by_side import row, run_benchmark

from mmseg_uncertainty.evaluation import ComponentMetric
from mmseg_uncertainty.functional.component_metrics import OVERLAPS, TRACKS

BINS = 768
EIGHT_NEIGHBOURS = np.ones((3, 3), int)
HEADS = 10
META = dict(classes=('in-distribution', 'anomaly'), label_kind='anomaly')
Frame = tuple[np.ndarray, np.ndarray]


def frame(size: tuple[int, int], noise: float, seed: int) -> Frame:
    """Labels with a few objects and void, and smooth scores with noise that are higher on most objects."""
    random = np.random.default_rng(seed)
    height, width = size
    labels = np.zeros(size, np.uint8)
    scores = zoom(random.standard_normal((height // 40 + 1, width // 40 + 1)), 40, order=1)[:height, :width]
    scores = (.7 * scores + noise * random.standard_normal(size)).astype(np.float32)
    for _ in range(random.integers(2, 9)):
        side = random.integers(4, height // 5, 2)
        top, left = random.integers(0, height - side[0]), random.integers(0, width - side[1])
        labels[top:top + side[0], left:left + side[1]] = 1
        scores[top:top + side[0], left:left + side[1]] += random.choice([0., 2., 3.])
    labels[-height // 12:] = 255
    return labels, scores


def plain_bins(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower edges, positives and negatives of the bins of one frame."""
    groups = [scores[labels == group] for group in (1, 0)]
    edges = [np.quantile(part, np.linspace(0, 1, min(BINS // 2, part.size))) for part in groups if part.size]
    edges = np.unique(np.concatenate([[0, 1], *edges]))
    return edges[:-1], *(np.histogram(part, edges)[0] for part in groups)


def plain_threshold(frames: list[Frame]) -> float:
    """Threshold of the best F1 over the bins of all frames."""
    edges, positives, negatives = map(np.concatenate, zip(*(plain_bins(*part) for part in frames)))
    order = np.argsort(edges)[::-1]
    true, false = np.cumsum(positives[order]), np.cumsum(negatives[order])
    return float(edges[order][np.argmax(2 * true / (true + false + true[-1]))])


def plain_components(labels: np.ndarray, mask: np.ndarray, track: str) -> tuple[list[float], list[float]]:
    """sIoU of every true component and PPV of every predicted one, one mask of the image at a time."""
    sizes = TRACKS[track]
    void = labels == 255
    true, count = label(labels == 1, EIGHT_NEIGHBOURS)
    for index in range(1, count + 1):
        if (true == index).sum() < sizes.smallest_truth:
            void = void | (true == index)
    true[void] = 0
    predicted, guesses = label(mask & ~void, EIGHT_NEIGHBOURS)
    for index in range(1, guesses + 1):
        if (predicted == index).sum() < sizes.smallest_prediction:
            predicted[predicted == index] = 0
    found, precise = [], []
    for index in np.unique(true[true > 0]):
        own = true == index
        touching = np.isin(predicted, np.unique(predicted[own & (predicted > 0)]))
        touching &= predicted > 0
        found.append((own & touching).sum() / (own | (touching & ~((true > 0) & ~own))).sum())
    for index in np.unique(predicted[predicted > 0]):
        own = predicted == index
        precise.append((own & (true > 0)).sum() / own.sum())
    return found, precise


def plain_metric(frames: list[Frame], track: str) -> dict[str, float]:
    """sIoU, PPV and F1* in percent."""
    threshold = plain_threshold(frames)
    found, precise = map(np.concatenate, zip(*(plain_components(labels, scores > threshold, track) for labels, scores in frames)))
    hits, false = (found[:, None] >= OVERLAPS).sum(0), (precise[:, None] < OVERLAPS).sum(0)
    f1 = 2 * hits / (hits + found.size + false)
    return dict(threshold=threshold, sIoU=100 * found.mean(), PPV=100 * precise.mean(), **{'F1*': 100 * f1.mean()})


def our_metric(frames: list[Frame], track: str, heads: int) -> dict[str, float]:
    """The same of the first head, with all heads measured."""
    metric = ComponentMetric(track, resamples=0)
    metric.dataset_meta = META
    for index, (labels, scores) in enumerate(frames):
        # One map serves all heads: what is measured does not know, and making maps is not measured.
        maps = dict.fromkeys((f'head{number}' for number in range(heads)), torch.from_numpy(scores)[None])
        metric.process({}, [dict(img_path=f'{index:04}.png', gt_sem_seg=dict(data=torch.from_numpy(labels)[None]),
                                 uncertainty=maps)])
    metrics = metric.evaluate(len(frames))
    return {name: metrics[f'head0/{name}[{track}]'] for name in ('threshold', 'sIoU', 'PPV', 'F1*')}


def timed(function: Callable[..., dict], *args: object) -> tuple[float, dict]:
    """Seconds that a call takes, and what it returned; ours measures as many heads at once as torch has threads."""
    start = time.perf_counter()
    value = function(*args)
    return time.perf_counter() - start, value


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Smooth scores on both tracks, and speckled ones, of which a threshold leaves many small components, on one."""
    count, size = (4, (270, 480)) if args.quick else (30, (1080, 1920))
    our_metric([frame(size, .02, 0)], 'obstacle', 1)  # warms up
    for kind, noise, track in (('speckled', .2, 'obstacle'), ('smooth', .02, 'obstacle'), ('smooth', .02, 'anomaly')):
        frames = [frame(size, noise, seed) for seed in range(count)]
        ours, found = timed(our_metric, frames, track, HEADS)
        peer, expected = timed(plain_metric, frames, track)
        pieces = np.mean([label(scores > expected['threshold'], EIGHT_NEIGHBOURS)[1] for _, scores in frames])
        protocol = (f'{count} frames {size[1]}x{size[0]}, {pieces:.0f} components each, {HEADS} of our heads, one of the stand-in '
                    f'for the tool, {torch.get_num_threads()} threads')
        yield row(f'components, {track} track, {kind} scores', ours, peer, 's', protocol)
        worst = max(abs(found[name] - value) for name, value in expected.items())
        yield row(f'components, {track} track, {kind} scores, difference', worst, None, '%', protocol)


if __name__ == '__main__':
    run_benchmark(__doc__.partition('\n')[0], rows)

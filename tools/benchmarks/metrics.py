"""Time, memory and accuracy of the evaluators beside other libraries, in one run on the same pixels."""
from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from mmseg.registry import METRICS, MODELS
from side_by_side import extra_megabytes, row, run_benchmark
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from mmseg_uncertainty.evaluation import AnomalyRankingMetric, evaluator_config
from mmseg_uncertainty.functional import calibration_error, ranking
from mmseg_uncertainty.functional.score_histogram import ScoreHistogram, score_keys

FRAME = 1024, 2048
PEERS = {'torchmetrics': 'torchmetrics', 'pytorch-ood': 'pytorch_ood', 'scikit-learn': 'sklearn'}
KINDS = ('normal', 'msp', 'saturated', 'tied', 'huge')


def pixels(kind: str, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels (0.3 % positives) of one family of scores, float32 and uint8."""
    random = np.random.default_rng(seed)
    labels = (random.random(size) < .003).astype(np.uint8)
    scores = random.standard_normal(size, np.float32) + 2 * labels
    if kind == 'msp':
        scores = 1 / (1 + np.exp(6 - 3 * scores))
    elif kind == 'saturated':
        scores = np.clip(1 / (1 + np.exp(-8 * scores)), 0, 1)
    elif kind == 'tied':
        scores = np.round(scores, 1)
    elif kind == 'huge':
        scores = np.sign(scores) * np.minimum(10**(8 * np.abs(scores).astype(np.float64)), 1e30)
    return scores.astype(np.float32), labels


def seconds(function: Callable, repeats: int = 3) -> tuple[float, object]:
    """Best wall time of a function, and what it returned."""
    best = float('inf')
    for _ in range(repeats):
        start = time.perf_counter()
        value = function()
        best = min(best, time.perf_counter() - start)
    return best, value


def stream(scores: np.ndarray, labels: np.ndarray, frame: int = FRAME[0] * FRAME[1]) -> ScoreHistogram:
    """Our histogram of pixels that arrive frame by frame."""
    histogram = ScoreHistogram()
    for start in range(0, scores.size, frame):
        histogram.update(scores[start:start + frame], labels[start:start + frame])
    return histogram


def our_ranking(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """AUROC, AP and FPR95."""
    ranked = stream(scores, labels).ranked()
    counts = ranked.positives, ranked.negatives
    return np.array([ranking.auroc(*counts), ranking.average_precision(*counts), ranking.fpr_at_tpr(*counts)])


def exact_ranking(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The same with scikit-learn."""
    false, true, _ = roc_curve(labels, scores)
    return np.array([roc_auc_score(labels, scores), average_precision_score(labels, scores),
                     false[np.argmax(true >= .95)]])


def ranking_speed(size: int) -> Iterator[dict]:
    """mFishy beside scikit-learn, torchmetrics and pytorch-ood, and beside a bare count."""
    scores, labels = pixels('msp', size)
    protocol = f'{size} pixels, MSP-like scores, 0.3 % positives, pooled AUROC + AP + FPR95'
    ours, _ = seconds(lambda: our_ranking(scores, labels))
    repeats = 1 if size > 10**7 else 2
    yield row('mFishy vs scikit-learn', ours, seconds(lambda: exact_ranking(scores, labels), repeats)[0], 's', protocol)
    yield from _torchmetrics_ranking(scores, labels, ours, protocol, repeats)
    yield from _pytorch_ood_ranking(scores, labels, ours, protocol, repeats)
    keys = score_keys(scores).astype(np.int64) + (labels.astype(np.int64) << 20)
    update, _ = seconds(lambda: stream(scores, labels))
    bare, _ = seconds(lambda: np.bincount(keys, minlength=2 << 20))
    yield row('mFishy update vs np.bincount over ready-made keys', update, bare, 's', f'{size} pixels')
    yield row('mFishy update', size / update / 1e6, None, 'Mpx/s', f'{size} pixels, one thread')


def _torchmetrics_ranking(scores: np.ndarray, labels: np.ndarray, ours: float, protocol: str, repeats: int):
    if find_spec('torchmetrics') is None:
        return
    from torchmetrics.functional.classification import binary_auroc, binary_average_precision, binary_roc
    predicted, target = torch.from_numpy(scores), torch.from_numpy(labels).long()

    def run(thresholds: int | None) -> None:
        for function in (binary_auroc, binary_average_precision, binary_roc):
            function(predicted, target, thresholds=thresholds)

    yield row('mFishy vs torchmetrics, exact', ours, seconds(lambda: run(None), repeats)[0], 's', protocol)
    yield row('mFishy vs torchmetrics, 200 thresholds', ours, seconds(lambda: run(200), 1)[0], 's', protocol)


def _pytorch_ood_ranking(scores: np.ndarray, labels: np.ndarray, ours: float, protocol: str, repeats: int):
    package = find_spec('pytorch_ood')
    if package is None:
        return
    # Its other parts need torchvision, which its metrics do not; so these are imported without the rest.
    parent = sys.modules.setdefault('pytorch_ood', ModuleType('pytorch_ood'))
    parent.__path__ = list(package.submodule_search_locations)
    metrics = import_module('pytorch_ood.metrics')
    predicted, target = torch.from_numpy(scores), torch.from_numpy(-labels.astype(np.int64))

    def run() -> dict:
        return metrics.OODMetrics().update(predicted, target).compute()

    yield row('mFishy vs pytorch-ood', ours, seconds(run, repeats)[0], 's', protocol)


def ranking_accuracy(size: int) -> Iterator[dict]:
    """Error of the streaming numbers, beside the bound they report."""
    for kind in KINDS:
        scores, labels = pixels(kind, size, seed=1)
        ranked = stream(scores, labels).ranked()
        counts = ranked.positives, ranked.negatives
        errors = np.abs(our_ranking(scores, labels) - exact_ranking(scores, labels))
        bounds = [bound(*counts) for bound in (ranking.auroc_bound, ranking.average_precision_bound,
                                               ranking.fpr_at_tpr_bound)]
        for name, error, bound in zip(('AUROC', 'AP', 'FPR95'), errors, bounds):
            yield row(f'{name} error and its bound, {kind} scores', float(error), float(bound), 'fraction',
                      f'{size} pixels')


def calibration(size: int) -> Iterator[dict]:
    """ECE beside torchmetrics: time, and error against float64."""
    random = np.random.default_rng(2)
    true = random.beta(6, .8, size)
    confidence, correct = (true**.7).astype(np.float32), random.random(size) < true
    ours, sums = seconds(lambda: calibration_error.reliability_sums(confidence, correct))
    value = float(calibration_error.expected_calibration_error(sums))
    bins = calibration_error.equal_width_bins(confidence)
    gaps = np.bincount(bins, confidence.astype(float) - correct, 15)
    exact = np.abs(gaps).sum() / size
    protocol = f'{size} pixels, 15 equal-width bins'
    if find_spec('torchmetrics'):
        from torchmetrics.functional.classification import binary_calibration_error
        predicted, target = torch.from_numpy(confidence), torch.from_numpy(correct).long()
        peer, other = seconds(lambda: float(binary_calibration_error(predicted, target, n_bins=15)), 2)
        yield row('ECE vs torchmetrics', ours, peer, 's', protocol)
        yield row('ECE error vs torchmetrics', abs(value - exact), abs(other - exact), 'fraction', protocol)
    yield row('ECE error vs float64', abs(value - exact), None, 'fraction', protocol)


def memory(frames: int, heads: int) -> Iterator[dict]:
    """Peak extra resident memory of mFishy over full-size frames."""
    metric = AnomalyRankingMetric(resamples=0)
    metric.dataset_meta = dict(classes=('in-distribution', 'anomaly'), label_kind='anomaly')
    scores, labels = (torch.from_numpy(part).view(1, *FRAME) for part in pixels('normal', FRAME[0] * FRAME[1]))
    sample = dict(gt_sem_seg=dict(data=labels), uncertainty={f'head{index}': scores for index in range(heads)})

    def run() -> None:
        for index in range(frames):
            metric.process({}, [dict(sample, img_path=f'{index}.png')])
        metric.evaluate(frames)

    values = [np.arange(20, dtype=np.float32).reshape(4, 5), np.arange(20, dtype=np.uint8).reshape(4, 5) % 2]
    warm_up = AnomalyRankingMetric(resamples=0, bits=10)
    warm_up.dataset_meta = metric.dataset_meta
    warm_up.process({}, [dict(img_path='', gt_sem_seg=dict(data=torch.from_numpy(values[1])),
                              uncertainty=dict(head=torch.from_numpy(values[0])))])
    warm_up.evaluate(1)
    protocol = f'{frames} frames of {FRAME[0]}x{FRAME[1]}, {frames * labels.numel() / 1e6:.0f} Mpx, {heads} heads'
    yield row('mFishy peak extra memory', extra_megabytes(run), 200., 'MB', protocol + '; peer is the limit')


def overhead(height: int, width: int, images: int) -> Iterator[dict]:
    """Wall time that all class-label evaluators together add to SegFormer-B0 inference on this machine."""
    from mmengine.config import Config
    config = Config.fromfile(Path(__file__).parents[2] / 'local_configs/segformer/segformer_b0_camvid_BASE.py').model
    config.data_preprocessor = None
    model = MODELS.build(config).eval()
    classes = config.decode_head.num_classes
    random = np.random.default_rng(0)
    metrics = [METRICS.build(evaluator_config(name)) for name in ('mIoU', 'macroF1', 'IDM', 'oIoU', 'ECE')]
    for metric in metrics:
        metric.dataset_meta = dict(classes=tuple(map(str, range(classes))))
    times = []
    for index in range(images + 1):
        image = torch.from_numpy(random.standard_normal((1, 3, height, width), np.float32))
        begin = time.perf_counter()
        with torch.no_grad():
            logits = torch.nn.functional.interpolate(model(image, mode='tensor'), (height, width), mode='bilinear')[0]
            logits.argmax(0)
        inferred = time.perf_counter() - begin
        labels = torch.randint(classes, (height // 32, width // 32)).repeat_interleave(32, 0).repeat_interleave(32, 1)
        logits = 8 * torch.nn.functional.one_hot(labels, classes).permute(2, 0, 1) + 2 * torch.randn_like(logits)
        prediction, max_logit = logits.argmax(0), -logits.amax(0)
        sample = dict(img_path=f'{index}.png', seg_logits=dict(data=logits), pred_sem_seg=dict(data=prediction[None]),
                      gt_sem_seg=dict(data=labels[None]), uncertainty=dict(max_logit=max_logit[None]))
        start = time.perf_counter()
        for metric in metrics:
            metric.process({}, [sample])
        times.append((time.perf_counter() - start, inferred))
    evaluation, inference = np.median(times[1:], axis=0)  # the first image warms up
    yield row('all evaluators vs SegFormer-B0 inference', float(evaluation), float(inference), 's/image',
              f'{images} images {height}x{width}, {classes} classes, mIoU macroF1 IDM oIoU ECE, one head, '
              f'{torch.get_num_threads()} threads')


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """All parts, at a tenth of the pixels if quick."""
    size, frames = (2 * 10**6, 10) if args.quick else (21 * 10**6, 100)
    yield from memory(frames, 1)
    yield from memory(frames // 5, 3 if args.quick else 10)
    yield from ranking_speed(size)
    yield from ranking_accuracy(size)
    yield from calibration(size)
    yield from overhead(256, 512, 2) if args.quick else overhead(512, 1024, 4)


if __name__ == '__main__':
    run_benchmark(__doc__, rows, **{name: version(name) for name, module in PEERS.items() if find_spec(module)})

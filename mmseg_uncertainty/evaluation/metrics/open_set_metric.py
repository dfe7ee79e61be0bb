"""``--eval oIoU``: segmentation quality when uncertain pixels are rejected as unknown."""
from __future__ import annotations

import json
import re
import zlib
from pathlib import Path

import numpy as np
import torch
from mmseg.registry import METRICS
from torch import Tensor

from mmseg_uncertainty.functional.device_counts import count_cells
from mmseg_uncertainty.functional.open_set import (OUTCOMES, OpenSetScores, open_set_curve, open_set_scores,
                                                   outcome_groups, threshold_bin)
from mmseg_uncertainty.functional.ranking import defined_mean
from mmseg_uncertainty.functional.score_histogram import ScoreHistogram

from .sample_fields import VOID, predicted_classes, score_maps
from .streaming_metric import StreamingMetric

STATE_BITS, MOST_BITS, FEWEST_BITS = 20, 16, 10
SPLITS = ('calibration', 'evaluation')


@METRICS.register_module()
class OpenSetMetric(StreamingMetric):
    """Open-set IoU and accuracy: pixels with ``score >= threshold`` are rejected, ground truth is never edited.

    Keys, in percent: ``oIoU`` and ``oAcc`` (mean IoU and recall over the known classes), ``unknown_IoU`` and
    ``unknown_Acc`` (with ``void='unknown'``), ``kept`` (pixels not rejected), ``best_oIoU`` (over all thresholds, an
    oracle), and ``threshold`` in the units of the score. With a given threshold, oIoU and oAcc carry 95 % intervals.
    :attr:`curves` holds the scores at every threshold for each head.

    Args:
        threshold: Where to reject: a number for all heads, one per head, or the JSON file of an earlier run on
            calibration data (``IDM_F1_threshold``, ``F1_threshold`` or ``threshold`` of each head). When omitted,
            part of the images serves as calibration split and is left out of the numbers.
        calibration_images: Regular expression; images whose path matches form the calibration split. Neighbouring
            frames are near copies, so choose whole sequences. When omitted, a hash of the file name assigns about half
            of the images.
        criterion: How the split sets the threshold: ``'best_f1'`` for detecting wrong pixels, or ``'tpr95'``.
        void: ``'ignore'`` drops void pixels, ``'unknown'`` takes them as unknown objects that should be rejected.
        options: See :class:`StreamingMetric`.
    """

    eval_name = 'oIoU'
    protocols = ('pooled', )

    def __init__(self,
                 threshold: float | dict[str, float] | str | None = None,
                 calibration_images: str | None = None,
                 criterion: str = 'best_f1',
                 void: str = 'ignore',
                 **options) -> None:
        for name, value, known in (('criterion', criterion, ('best_f1', 'tpr95')),
                                   ('void', void, ('ignore', 'unknown'))):
            if value not in known:
                raise ValueError(f'oIoU: {name}={value!r} is unknown; choose from {known}.')
        self.threshold = read_thresholds(threshold) if isinstance(threshold, (str, Path)) else threshold
        self.calibration_images = calibration_images
        self.criterion = criterion
        self.void = void
        self.curves: dict[str, tuple[OpenSetScores, np.ndarray]] = {}
        super().__init__(**options)

    def reset(self) -> None:
        """Forget all images."""
        super().reset()
        self.histograms: dict[str, ScoreHistogram] = {}

    @property
    def bits(self) -> int:
        """Key bits of the joint histogram, so that one head takes about 8 MB."""
        groups = OUTCOMES * len(self.classes)
        return int(np.clip(STATE_BITS - np.ceil(np.log2(groups)), FEWEST_BITS, MOST_BITS))

    def split(self, path: str) -> str:
        """Whether an image serves for calibration or evaluation."""
        if self.threshold is not None:
            return 'evaluation'
        if self.calibration_images is not None:
            return SPLITS[re.search(self.calibration_images, path) is None]
        return SPLITS[zlib.crc32(Path(path).stem.encode()) & 1]

    def measure(self, sample: dict) -> dict:
        """Count outcomes by score for every head; see :class:`StreamingMetric`."""
        classes, split = len(self.classes), self.split(str(sample['img_path']))
        labels = self.class_labels(sample)
        groups = outcome_groups(predicted_classes(sample), labels, classes, self.void)
        present = count_cells(labels, max(classes, VOID + 1))
        record = dict(pixels=labels.numel(), void=present[VOID], split=split, labels=present[:classes])
        record['heads'] = {head: self._measure_head(sample, head, scores, groups, split)
                           for head, scores in score_maps(sample, labels).items()}
        return record

    def _measure_head(self, sample: dict, head: str, scores: Tensor, groups: Tensor, split: str) -> Tensor | None:
        size = OUTCOMES * len(self.classes)
        name = f'{head}/{split}'
        if name not in self.histograms:
            self.histograms[name] = ScoreHistogram(size, self.bits, scores.device)
        self.count_scores(self.histograms[name], sample, head, scores, groups)
        self.state[name] = self.histograms[name].counts
        if self.threshold is None:
            return None
        chosen = groups, groups.where(scores >= self._given(head), -1)
        return torch.stack([count_cells(part + 1, size + 1)[1:].view(OUTCOMES, -1) for part in chosen])

    def _given(self, head: str) -> float:
        if not isinstance(self.threshold, dict):
            return float(self.threshold)
        if head not in self.threshold:
            raise KeyError(f'oIoU: no threshold for head {head!r}; given are {sorted(self.threshold)}.')
        return self.threshold[head]

    def summarize(self, records: list[dict]) -> dict[str, float]:
        """Compute every number for every head; see :class:`StreamingMetric`."""
        evaluated = [record for record in records if record['split'] == 'evaluation']
        self.provenance |= dict(
            void=self.void, criterion=self.criterion, evaluated_images=len(evaluated), bits=self.bits,
            threshold_from='given' if self.threshold is not None else self.calibration_images or 'half by file name')
        if not evaluated or (self.threshold is None and len(evaluated) == len(records)):
            self.warn(f'of {len(records)} images {len(evaluated)} are left to evaluate and the others to calibrate on; '
                      'both are needed. Give threshold or calibration_images. All numbers are NaN.')
            return {self.key(name, head): np.nan for head in records[0]['heads'] for name in ('oIoU', 'oAcc')}
        labels = np.stack([record['labels'] for record in evaluated])
        metrics = {}
        for head in records[0]['heads']:
            metrics |= self._head_metrics(head, [record['heads'][head] for record in evaluated], labels)
        return metrics

    def _histogram(self, head: str, split: str) -> ScoreHistogram:
        return ScoreHistogram.of(self.state[f'{head}/{split}'])

    def _head_metrics(self, head: str, parts: list, labels: np.ndarray) -> dict[str, float]:
        counts, thresholds = self._histogram(head, 'evaluation').descending()
        curve = open_set_curve(counts, labels.sum(0))
        self.curves[head] = curve, thresholds
        metrics = {self.key('best_oIoU', head): 100 * defined_mean(curve.iou[:, :-1]).max()}
        if self.threshold is not None:
            threshold, (total, rejected) = self._given(head), np.stack(parts).sum(0)
            metrics |= self._intervals(head, np.stack(parts), labels)
        else:
            calibration, edges = self._histogram(head, 'calibration').descending()
            threshold = float(edges[threshold_bin(calibration, self.criterion)])
            parts = [part.sum(1).reshape(OUTCOMES, -1) for part in (counts, counts[:, thresholds >= threshold])]
            total, rejected = parts
        scores = open_set_scores(rejected, total, labels.sum(0))
        values = dict(oIoU=defined_mean(scores.iou[:-1]), oAcc=defined_mean(scores.accuracy[:-1]), kept=scores.kept)
        if self.void == 'unknown':
            values |= dict(unknown_IoU=scores.iou[-1], unknown_Acc=scores.accuracy[-1])
        metrics |= {self.key(name, head): 100 * value for name, value in values.items()}
        return metrics | {self.key('threshold', head): threshold}

    def _intervals(self, head: str, parts: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        resampled: dict[str, list] = dict(oIoU=[], oAcc=[])
        for weights in self.weights(len(parts)):
            total, rejected = np.moveaxis(np.tensordot(weights, parts, 1), 1, 0)
            scores = open_set_scores(rejected, total, weights @ labels)
            resampled['oIoU'].append(100 * defined_mean(scores.iou[:, :-1]))
            resampled['oAcc'].append(100 * defined_mean(scores.accuracy[:, :-1]))
        metrics = {}
        for name, values in resampled.items():
            if values:
                metrics |= self.interval(name, np.concatenate(values), head=head)
        return metrics


def read_thresholds(path: str | Path) -> dict[str, float]:
    """Threshold of every head from the JSON file of an earlier run.

    Raises:
        ValueError: If the file holds none.
    """
    metrics = json.loads(Path(path).read_text(encoding='utf-8'))['metrics']
    found = {}
    for name in ('IDM_F1_threshold', 'F1_threshold', 'threshold'):
        pattern = re.compile(rf'(?P<head>.+)/{name}\[pooled\]')
        found |= {match['head']: metrics[match.string] for match in map(pattern.fullmatch, metrics) if match}
    if not found:
        raise ValueError(f'{path} holds no thresholds. Make it with `tools/test.py … --eval IDM --out {path}` (mFishy '
                         'for anomaly labels) on calibration images.')
    return found

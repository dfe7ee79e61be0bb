"""``--eval oIoU``: segmentation quality when uncertain pixels are rejected as unknown."""
from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np
import torch
from mmseg.registry import METRICS
from torch import Tensor

from mmseg_uncertainty.functional.bootstrap import completed
from mmseg_uncertainty.functional.device_counts import count_cells
from mmseg_uncertainty.functional.open_set import (OUTCOMES, OpenSetScores, open_set_curve, open_set_limits, open_set_scores,
                                                   outcome_groups, threshold_bin)
from mmseg_uncertainty.functional.ranking import best_f1, best_f1_bound, defined_mean
from mmseg_uncertainty.functional.score_histogram import ScoreHistogram, score_keys
from mmseg_uncertainty.label_values import VOID
from mmseg_uncertainty.runtime.flag_summary import first_flagged

from .sample_fields import decisions_of, predicted_classes, score_maps
from .streaming_metric import StreamingMetric
from .thresholds import read_thresholds

STATE_BITS, MOST_BITS, FEWEST_BITS, CALIBRATION_BITS = 21, 18, 10, 17
PAGE_BITS = 16
SPLITS = ('calibration', 'evaluation')
DECISIONS = 'decisions'


@METRICS.register_module()
class OpenSetMetric(StreamingMetric):
    """Open-set IoU and accuracy: pixels with ``score >= threshold`` are rejected, ground truth is never edited.

    Keys, in percent: ``oIoU`` and ``oAcc`` (mean IoU and recall over the known classes), ``unknown_IoU`` and
    ``unknown_Acc`` (with ``void='unknown'``), ``kept`` (pixels not rejected), ``best_oIoU`` (over all thresholds, an
    oracle), and ``threshold`` in the units of the score. ``*_bound`` says how far binning may move a number: a threshold
    from the calibration split may divide a cell of the evaluation split. ``threshold_F1`` is the F1 that it reaches on its
    split, within ``threshold_F1_bound`` of the best. With a given threshold pixels are counted exactly, and oIoU and oAcc
    carry 95 % intervals of the mean over the same classes (a resample that lacks one takes its value of all images). :attr:`curves`
    holds the scores at every threshold for each head.

    Args:
        threshold: Where to reject: a number for all heads, one per head, or the JSON file of an earlier run on
            calibration data (``IDM_F1_threshold``, ``F1_threshold`` or ``threshold`` of each head). ``'decisions'`` rejects
            what the decisions of the model flag; rows are then those of decisions instead of heads. When omitted,
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
        self.decided = threshold == DECISIONS
        self.threshold = read_thresholds(threshold) if isinstance(threshold, (str, Path)) and not self.decided else threshold
        self.calibration_images = calibration_images
        self.criterion = criterion
        self.void = void
        self.curves: dict[str, tuple[OpenSetScores, np.ndarray]] = {}
        super().__init__(**options)

    @property
    def groups(self) -> int:
        """Outcomes times predicted classes; without void none is unknown."""
        return (OUTCOMES - (self.void == 'ignore')) * len(self.classes)

    @property
    def bits(self) -> int:
        """Binary logarithm of the cells per group of the joint histogram, so that one head takes at most 17 MB."""
        return int(np.clip(STATE_BITS - np.ceil(np.log2(self.groups)), FEWEST_BITS, MOST_BITS))

    @property
    def _threshold_from(self) -> str:
        if self.decided:
            return DECISIONS
        return 'given' if self.threshold is not None else self.calibration_images or 'half by file name'

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
                           for head, scores in self._score_maps(sample, labels).items()}
        return record | dict(threshold=self.threshold)

    def _score_maps(self, sample: dict, labels: Tensor) -> dict[str, Tensor]:
        maps = score_maps(sample, labels)
        if not self.decided:
            return maps
        decisions = decisions_of(sample)
        self.threshold = {name: first_flagged(record['threshold']) for name, record in decisions.items()}
        return {name: maps[record['head']] for name, record in decisions.items()}

    def _measure_head(self, sample: dict, head: str, scores: Tensor, groups: Tensor, split: str) -> Tensor | None:
        classes, name = len(self.classes), f'{head}/{split}'
        if split == 'calibration':
            size, bits, counted = 2, CALIBRATION_BITS, (groups >= classes).int().where(groups >= 0, -1)
        else:
            size, bits, counted = self.groups, self.bits, groups
        if name not in self.histograms:
            self.histograms[name] = ScoreHistogram(size, bits, scores.device, PAGE_BITS)
        self.count_scores(self.histograms[name], sample, head, scores, counted)
        if self.threshold is None:
            return None
        size = OUTCOMES * classes
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
        # A process without images has not seen the decisions.
        self.threshold = records[0]['threshold']
        evaluated = [record for record in records if record['split'] == 'evaluation']
        self.provenance |= dict(
            void=self.void, criterion=self.criterion, evaluated_images=len(evaluated), bits=self.bits,
            threshold_from=self._threshold_from)
        if not evaluated or (self.threshold is None and len(evaluated) == len(records)):
            self.warn(f'of {len(records)} images {len(evaluated)} are left to evaluate and the others to calibrate on; '
                      'both are needed. Give threshold or calibration_images. All numbers are NaN.')
            return {self.key(name, head): np.nan for head in records[0]['heads'] for name in ('oIoU', 'oAcc')}
        labels = np.stack([record['labels'] for record in evaluated])
        self.provenance['key_bits'] = {name: part.key_bits for name, part in self.histograms.items()}
        metrics = {}
        for head in records[0]['heads']:
            metrics |= self._head_metrics(head, evaluated, labels)
        return metrics

    def _head_metrics(self, head: str, records: list[dict], labels: np.ndarray) -> dict[str, float]:
        histogram = self.histograms[f'{head}/evaluation']
        counts, thresholds = histogram.descending()
        counts = np.pad(counts, ((0, OUTCOMES * len(self.classes) - len(counts)), (0, 0)))
        total, present = counts.sum(1).reshape(OUTCOMES, -1), labels.sum(0)
        curve = open_set_curve(counts, present)
        self.curves[head] = curve, thresholds
        best, highest = defined_mean(curve.iou[:, :-1]).max(), _highest_iou(counts, present)
        numbers = dict(best_oIoU=100 * best, best_oIoU_bound=100 * (highest - best) if histogram.key_bits < 32 else 0.)
        if self.threshold is not None:
            parts, threshold = np.stack([record['heads'][head] for record in records]), self._given(head)
            scores = open_set_scores(parts[:, 1].sum(0), total, present)
            numbers |= self._values(scores) | dict(threshold=threshold)
            intervals = self._intervals(head, records, parts, labels, scores)
            return {self.key(name, head): value for name, value in numbers.items()} | intervals
        ranked = self.histograms[f'{head}/calibration'].ranked()
        threshold = ranked.thresholds[threshold_bin(ranked.positives, ranked.negatives, self.criterion)]
        fewest, middle, most = _rejected(counts, thresholds, threshold, histogram.key_bits)
        values = self._values(open_set_scores(middle, total, present))
        limits = [self._values(part) for part in open_set_limits(fewest, most, total, present)]
        numbers |= values | {f'{name}_bound': max(abs(limit[name] - value) for limit in limits)
                             for name, value in values.items()}
        numbers['threshold'] = float(threshold)
        if self.criterion == 'best_f1':
            pixels = ranked.positives, ranked.negatives
            bound = 0. if ranked.exact else best_f1_bound(*pixels)
            numbers |= dict(threshold_F1=100 * best_f1(*pixels)[0], threshold_F1_bound=100 * bound)
        return {self.key(name, head): value for name, value in numbers.items()}

    def _values(self, scores: OpenSetScores) -> dict[str, np.ndarray]:
        """Numbers in percent."""
        values = dict(oIoU=defined_mean(scores.iou[..., :-1]), oAcc=defined_mean(scores.accuracy[..., :-1]),
                      kept=scores.kept)
        if self.void == 'unknown':
            values |= dict(unknown_IoU=scores.iou[..., -1], unknown_Acc=scores.accuracy[..., -1])
        return {name: 100 * value for name, value in values.items()}

    def _intervals(self, head: str, records: list[dict], parts: np.ndarray, labels: np.ndarray,
                   whole: OpenSetScores) -> dict[str, float]:
        def means(weights: np.ndarray) -> dict[str, np.ndarray]:
            total, rejected = np.moveaxis(np.tensordot(weights, parts, 1), 1, 0)
            scores = open_set_scores(rejected, total, weights @ labels)
            return {name: 100 * defined_mean(completed(getattr(scores, kind)[:, :-1], getattr(whole, kind)[:-1]))
                    for name, kind in (('oIoU', 'iou'), ('oAcc', 'accuracy'))}

        return self.intervals(records, means, head)


def _highest_iou(counts: np.ndarray, present: np.ndarray) -> float:
    """Largest mean IoU of the known classes that a threshold within any bin may reach."""
    most = np.cumsum(counts, axis=-1).T.reshape(counts.shape[-1], OUTCOMES, -1)
    fewest = most - counts.T.reshape(most.shape)
    return defined_mean(open_set_limits(fewest, most, counts.sum(-1).reshape(OUTCOMES, -1), present)[1].iou[:, :-1]).max()


def _rejected(counts: np.ndarray, floors: np.ndarray, threshold: np.float32, key_bits: int) -> tuple[np.ndarray, ...]:
    """Fewest, likely and most rejected pixels per outcome and predicted class, each of shape (3, K)."""
    lowest, chosen = (score_keys(np.atleast_1d(part), 32).astype(np.int64) for part in (floors, threshold))
    size = 1 << (32 - key_bits)
    above = lowest >= chosen
    divided = ~above & (lowest + size > chosen)
    fewest, within = (counts[:, part].sum(1).reshape(OUTCOMES, -1) for part in (above, divided))
    share = ((lowest[divided] + size - chosen) / size).sum()
    return fewest, fewest + share * within, fewest + within

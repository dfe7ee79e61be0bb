"""``--eval decisions``: what flags come to, beside what was promised of them."""
from __future__ import annotations

import numpy as np
import torch
from mmseg.registry import METRICS
from torch import Tensor

from mmseg_uncertainty.functional.alarms import raises_alarm
from mmseg_uncertainty.functional.ranking import ratio
from mmseg_uncertainty.label_values import ANOMALY, VOID

from .sample_fields import anomaly_labels, decisions_of, predicted_classes
from .streaming_metric import StreamingMetric

QUANTITIES = ('false_alarms', 'misses', 'selective_risk', 'precision', 'kept', 'frame_alarms')


@METRICS.register_module()
class DecisionMetric(StreamingMetric):
    """Realized rates of the flags of each decision, with 95 % intervals over scenes or images; void pixels are left out.

    Keys ``<decision>/<rate>``, as fractions and means over images: ``false_alarms`` (flagged share of what should not be),
    ``misses`` (share of what should be flagged that is not, over images with such pixels), ``selective_risk`` (share of
    mistakes or anomalies among what is kept, 0 where nothing is), ``precision`` (share of the flags that are right, 1 where
    nothing is flagged), ``kept`` (share that is not flagged), ``frame_alarms`` (share of the images without anomaly that raise
    an alarm, void pixels counted). ``<rate>_promised`` stands beside the rate that was promised: at most this much, for
    precision at least. With labels of anomalies those should be flagged; with classes mistakes, or, for decisions about
    anomalies, nothing.

    Args:
        options: See :class:`StreamingMetric`.
    """

    eval_name = 'decisions'
    label_kind = None
    protocols = ('per_image', )

    def __init__(self, protocol: str = 'per_image', **options) -> None:
        super().__init__(protocol, **options)

    def measure(self, sample: dict) -> dict:
        """Count one image; see :class:`StreamingMetric`."""
        anomalies = (self.dataset_meta or {}).get('label_kind') == 'anomaly'
        labels = anomaly_labels(sample, self.check) if anomalies else self.class_labels(sample)
        void = labels == VOID
        wrong = labels == ANOMALY if anomalies else labels != predicted_classes(sample)
        promises, counts, record = decisions_of(sample), {}, {}
        for name, promise in promises.items():
            flags = sample['flags'][name]
            if anomalies and promise['of'] == 'mistakes':
                self.warn_once(f'{name} was promised for mistakes, and these labels know anomalies only.')
            positive = wrong & ~void if anomalies or promise['of'] == 'mistakes' else torch.zeros_like(void)
            counts[name] = _counts(flags.reshape(labels.shape).to(labels.device), positive, void, promise, anomalies)
        record['counts'] = counts
        return dict(pixels=labels.numel(), void=void.sum(), promises=promises, **record)

    def warn_once(self, message: str) -> None:
        """Log a warning the first time."""
        if not self.measured:
            self.warn(message)

    def summarize(self, records: list[dict]) -> dict[str, float]:
        """Compute all rates and their intervals; see :class:`StreamingMetric`."""
        split, metrics = (self.dataset_meta or {}).get('split'), {}
        self.provenance['split'] = split
        if split and split['part'] != 'test':
            self.warn('thresholds were chosen on these images, so that rates come out too good; test on the other part.')
        for name in records[0]['counts']:
            promise = records[0]['promises'][name]
            self.provenance.setdefault('promises', {})[name] = promise['text']
            parts, totals = _ratios(np.stack([np.asarray(record['counts'][name]) for record in records]))
            ones = np.ones((1, len(records)), np.int64)
            metrics |= {self.key(rate, name): value.item() for rate, value in _values(ones, parts, totals).items()}
            limit = 1 - promise['alpha'] if promise['kind'] == 'precision' else promise['alpha']
            metrics[self.key(f'{promise["kind"]}_promised', name)] = limit if promise['feasible'] else np.nan
            metrics[self.key('threshold', name)] = promise['threshold']
            metrics |= self.intervals(records, lambda weights: _values(weights, parts, totals), name)
        return metrics


def _counts(flags: Tensor, positive: Tensor, void: Tensor, promise: dict, anomalies: bool) -> np.ndarray:
    """Right and wrong pixels, those of both that are flagged, whether the frame counts and alarms; shape (6,), int64."""
    negative = ~positive & ~void
    pixels = [int(part.sum()) for part in (negative, positive, negative & flags, positive & flags)]
    clean = not (anomalies and pixels[1])
    return np.array([*pixels, clean, clean and raises_alarm(flags.cpu().numpy(), promise['pixels'], promise['region'])], np.int64)


def _ratios(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Value and weight of each rate in each image, shapes (n, 6)."""
    negative, positive, false, found, clean, alarm = counts.T.astype(float)
    flagged, labelled = false + found, negative + positive
    kept = labelled - flagged
    values = [(false / negative.clip(1), negative > 0), ((positive - found) / positive.clip(1), positive > 0),
              ((positive - found) / kept.clip(1), labelled > 0), (np.where(flagged > 0, found / flagged.clip(1), 1), labelled > 0),
              (kept / labelled.clip(1), labelled > 0), (alarm, clean > 0)]
    return (np.stack([value * weight for value, weight in values], 1), np.stack([1. * weight for _, weight in values], 1))


def _values(weights: np.ndarray, parts: np.ndarray, totals: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(QUANTITIES, ratio(weights @ parts, weights @ totals).T))

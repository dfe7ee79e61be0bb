"""``--eval mIoU`` and ``--eval mFscore``: quality of the arg-max, closed set."""
from __future__ import annotations

from typing import ClassVar

import numpy as np
from mmseg.registry import METRICS

from mmseg_uncertainty.functional.class_f1 import class_counts
from mmseg_uncertainty.functional.ranking import defined_mean, ratio

from .sample_fields import predicted_classes
from .streaming_metric import StreamingMetric


@METRICS.register_module()
class ClassIoUMetric(StreamingMetric):
    """Mean IoU or mean F-score of the arg-max, in percent; the numbers of mmseg's ``IoUMetric``, counted in int64.

    Keys for ``quantity='mIoU'``: ``mIoU``, ``mAcc``, ``aAcc`` and ``IoU.<class>``; for ``'mFscore'``: ``mFscore``,
    ``mPrecision``, ``mRecall`` and ``Fscore.<class>``. Means leave out undefined classes. The first carries its 95 %
    bootstrap interval over images. Void pixels are left out.

    Args:
        quantity: ``'mIoU'`` or ``'mFscore'``.
        options: See :class:`StreamingMetric`.
    """

    quantities: ClassVar[tuple[str, ...]] = ('mIoU', 'mFscore')

    def __init__(self, quantity: str = 'mIoU', **options) -> None:
        if quantity not in self.quantities:
            raise ValueError(f'ClassIoUMetric: quantity={quantity!r} is unknown; choose from {self.quantities}.')
        self.eval_name = self.quantity = quantity
        super().__init__(**options)

    def measure(self, sample: dict) -> dict:
        """Count hits, false alarms and misses of one image; see :class:`StreamingMetric`."""
        labels = self.class_labels(sample)
        counts = class_counts(predicted_classes(sample), labels, len(self.classes))
        return dict(pixels=labels.numel(), void=labels.numel() - counts[0].sum() - counts[2].sum(), counts=counts)

    def summarize(self, records: list[dict]) -> dict[str, float]:
        """Means and values per class; see :class:`StreamingMetric`."""
        counts = np.stack([record['counts'] for record in records])
        values = _per_class(counts.sum(0), self.quantity)
        metrics = {self.key(name): 100 * defined_mean(value) for name, value in values.items()}
        resampled = [defined_mean(_per_class(np.tensordot(weights, counts, 1), self.quantity)[self.quantity])
                     for weights in self.weights(len(records))]
        if resampled:
            metrics |= self.interval(self.quantity, 100 * np.concatenate(resampled))
        if self.quantity == 'mIoU':
            true, _, missed = counts.sum((0, 2))
            metrics[self.key('aAcc')] = 100 * float(ratio(true, true + missed))
        return metrics | {self.key(f'{self.quantity[1:]}.{name}'): 100 * value
                          for name, value in zip(self.classes, values[self.quantity])}


def _per_class(counts: np.ndarray, quantity: str) -> dict[str, np.ndarray]:
    true, false, missed = np.moveaxis(np.asarray(counts, float), -2, 0)
    recall = ratio(true, true + missed)
    if quantity == 'mIoU':
        return dict(mIoU=ratio(true, true + false + missed), mAcc=recall)
    precision = ratio(true, true + false)
    return dict(mFscore=ratio(2 * precision * recall, precision + recall), mPrecision=precision, mRecall=recall)

"""``--eval mIoU`` and ``--eval mFscore``: quality of the arg-max, closed set."""
from __future__ import annotations

from typing import ClassVar

import numpy as np
from mmseg.registry import METRICS

from mmseg_uncertainty.functional.bootstrap import completed
from mmseg_uncertainty.functional.class_f1 import class_counts
from mmseg_uncertainty.functional.ranking import defined_mean, ratio

from .sample_fields import predicted_classes
from .streaming_metric import StreamingMetric


@METRICS.register_module()
class ClassIoUMetric(StreamingMetric):
    """Mean IoU or mean F-score of the arg-max, in percent; the numbers of mmseg's ``IoUMetric``, counted in int64.

    Keys for ``quantity='mIoU'``: ``mIoU``, ``mAcc``, ``aAcc`` and ``IoU.<class>``; for ``'mFscore'``: ``mFscore``,
    ``mPrecision``, ``mRecall`` and ``Fscore.<class>``. Means leave out undefined classes. The first carries its 95 %
    bootstrap interval, of the mean over the same classes: a resample that lacks one takes its value of all images. Void
    pixels are left out.

    As in mmseg the F-score of a class that is never found is undefined, although it occurs, so that ``mFscore`` leaves out
    just the classes that the model does worst on; a warning names them, and ``macroF1`` counts them as 0.

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

        def means(weights: np.ndarray) -> dict[str, np.ndarray]:
            each = _per_class(np.tensordot(weights, counts, 1), self.quantity)[self.quantity]
            return {self.quantity: 100 * defined_mean(completed(each, values[self.quantity]))}

        metrics |= self.intervals(records, means)
        never = [name for name, (true, _, missed) in zip(self.classes, counts.sum(0).T) if missed and not true]
        if self.quantity == 'mFscore' and never:
            self.provenance['never_found'] = never
            self.warn(f'never found, and left out of mFscore as mmseg does: {", ".join(never)}; macroF1 counts them as 0.')
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

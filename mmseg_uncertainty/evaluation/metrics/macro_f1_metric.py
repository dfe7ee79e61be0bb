"""``--eval macroF1``: mean F1 over classes with an explicit policy for absent ones."""
from __future__ import annotations

import numpy as np
from mmseg.registry import METRICS

from mmseg_uncertainty.functional.bootstrap import completed
from mmseg_uncertainty.functional.class_f1 import class_counts, f1_per_class, macro_f1
from mmseg_uncertainty.functional.ranking import defined_mean

from .sample_fields import predicted_classes
from .streaming_metric import StreamingMetric


@METRICS.register_module()
class MacroF1Metric(StreamingMetric):
    """Macro F1 of the arg-max in percent, from counts pooled over all images; void pixels are left out.

    Keys: ``macroF1`` with its interval, and ``F1.<class>`` for every class. A class that occurs and is never found has F1 0
    and counts, other than in ``mFscore``, which follows mmseg. The interval is that of the mean over the same classes: a
    resample that lacks one takes its value of all images.

    Args:
        absent: What a class that neither occurs nor is predicted counts as: ``'ignore'`` leaves it out of the mean,
            ``'zero'``, or ``'perfect'``.
        options: See :class:`StreamingMetric`. ``protocol='published'`` is ``absent='perfect'``, as deepcs has it.
    """

    eval_name = 'macroF1'
    protocols = ('pooled', 'published')

    def __init__(self, protocol: str = 'pooled', absent: str = 'ignore', **options) -> None:
        super().__init__(protocol=protocol, **options)
        self.absent = 'perfect' if protocol == 'published' else absent
        f1_per_class(np.zeros((3, 1)), self.absent)

    def measure(self, sample: dict) -> dict:
        """Count hits, false alarms and misses of one image; see :class:`StreamingMetric`."""
        labels = self.class_labels(sample)
        counts = class_counts(predicted_classes(sample), labels, len(self.classes))
        return dict(pixels=labels.numel(), void=labels.numel() - counts[0].sum() - counts[2].sum(), counts=counts)

    def summarize(self, records: list[dict]) -> dict[str, float]:
        """Mean and per-class F1 in percent; see :class:`StreamingMetric`."""
        counts = np.stack([record['counts'] for record in records])
        total = counts.sum(0)
        self.provenance['absent'] = self.absent
        absent = [name for name, count in zip(self.classes, total.sum(0)) if not count]
        if absent:
            self.warn(f'classes that neither occur nor are predicted count as {self.absent!r}: {", ".join(absent)}.')
        values = f1_per_class(total, self.absent)

        def means(weights: np.ndarray) -> dict[str, np.ndarray]:
            return dict(macroF1=100 * defined_mean(completed(f1_per_class(np.tensordot(weights, counts, 1)), values)))

        metrics = {self.key('macroF1'): 100 * macro_f1(total, self.absent)} | self.intervals(records, means)
        return metrics | {self.key(f'F1.{name}'): 100 * value for name, value in zip(self.classes, values)}

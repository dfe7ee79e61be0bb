"""``--eval components``: anomaly segmentation object by object."""
from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from mmseg.registry import METRICS

from mmseg_uncertainty.functional.component_metrics import component_counts, component_overlaps, mean_component_f1
from mmseg_uncertainty.functional.ranking import best_f1
from mmseg_uncertainty.functional.score_histogram import ScoreHistogram

from .open_set_metric import read_thresholds
from .sample_fields import ANOMALY, VOID, anomaly_labels, score_maps
from .streaming_metric import StreamingMetric


@METRICS.register_module()
class ComponentMetric(StreamingMetric):
    """Component-level metrics of SegmentMeIfYouCan, in percent: ``sIoU``, ``PPV`` and ``F1*``, with the ``threshold``.

    ``sIoU`` is the mean over all true components, ``PPV`` over all predicted ones (NaN without any), ``F1*`` the F1
    averaged over eleven overlap levels from 25 % to 75 %, with its 95 % bootstrap interval over images. Components are found
    on the host, so every map comes there with its image.

    Args:
        threshold: ``score >= threshold`` is an anomaly: a number, one per head, or the JSON file of an earlier run
            (``F1_threshold`` of each head). When omitted, the threshold of the best pixel F1 on the evaluated images is
            taken, which is what the benchmark does and an oracle; scores then wait on disk, 4 bytes per pixel and head.
        smallest_prediction: Least number of pixels of a predicted component; the benchmark uses 500 for its anomaly and
            50 for its obstacle track.
        smallest_truth: Least number of pixels of a true component.
        options: See :class:`StreamingMetric`.
    """

    eval_name = 'components'
    label_kind = 'anomaly'

    def __init__(self,
                 threshold: float | dict[str, float] | str | None = None,
                 smallest_prediction: int = 500,
                 smallest_truth: int = 0,
                 **options) -> None:
        self.threshold = read_thresholds(threshold) if isinstance(threshold, (str, Path)) else threshold
        self.smallest = dict(smallest_prediction=smallest_prediction, smallest_truth=smallest_truth)
        super().__init__(**options)

    def reset(self) -> None:
        """Forget all images."""
        super().reset()
        self.histograms: dict[str, ScoreHistogram] = {}
        self._folder = tempfile.TemporaryDirectory(prefix='components_')

    def measure(self, sample: dict) -> dict:
        """Compare the components of one image, or spill it until the threshold is known."""
        groups = anomaly_labels(sample, self.check).cpu()
        labels = groups.numpy()
        record = dict(pixels=labels.size, void=int((labels == VOID).sum()), heads={})
        maps = {head: scores.cpu() for head, scores in score_maps(sample, groups).items()}
        for head, scores in maps.items():
            if head not in self.histograms:
                self.histograms[head] = ScoreHistogram()
            self.count_scores(self.histograms[head], sample, head, scores, groups)
            self.state[head] = self.histograms[head].counts
        if self.threshold is not None:
            record['heads'] = {head: self._compare(labels, scores.numpy(), self._given(head))
                               for head, scores in maps.items()}
            return record
        record |= dict(heads=dict.fromkeys(maps), file=str(Path(self._folder.name) / f'{len(self._seen)}.npz'))
        np.savez(record['file'], labels=labels, **{f'scores/{head}': scores.numpy() for head, scores in maps.items()})
        return record

    def _given(self, head: str) -> float:
        if not isinstance(self.threshold, dict):
            return float(self.threshold)
        if head not in self.threshold:
            raise KeyError(f'components: no threshold for head {head!r}; given are {sorted(self.threshold)}.')
        return self.threshold[head]

    def _compare(self, labels: np.ndarray, scores: np.ndarray, threshold: float) -> dict[str, np.ndarray]:
        overlaps = component_overlaps(labels == ANOMALY, scores >= threshold, labels == VOID, **self.smallest)
        return dict(counts=component_counts(overlaps), sIoU=overlaps.adjusted_iou, PPV=overlaps.precision)

    def summarize(self, records: list[dict]) -> dict[str, float]:
        """Average over components; see :class:`StreamingMetric`."""
        self.provenance |= dict(self.smallest, threshold_from='best pixel F1' if self.threshold is None else 'given')
        metrics = {}
        for head in records[0]['heads']:
            threshold = self._oracle(head) if self.threshold is None else self._given(head)
            parts = [record['heads'][head] or self._spilled(record['file'], head, threshold) for record in records]
            counts = np.stack([part['counts'] for part in parts])
            metrics[self.key('F1*', head)] = 100 * mean_component_f1(counts.sum(0))
            for name in ('sIoU', 'PPV'):
                values = np.concatenate([part[name] for part in parts])
                metrics[self.key(name, head)] = 100 * values.mean() if values.size else np.nan
            metrics[self.key('threshold', head)] = threshold
            resampled = [mean_component_f1(np.tensordot(weights, counts, 1)) for weights in self.weights(len(parts))]
            if resampled:
                metrics |= self.interval('F1*', 100 * np.concatenate(resampled), head=head)
            if not counts[:, :2].any():
                self.warn('there is no anomalous component; sIoU and F1* are undefined.')
        return metrics

    def _oracle(self, head: str) -> float:
        ranked = ScoreHistogram.of(self.state[head]).ranked()
        if not ranked.positives.any():
            return float('inf')
        return float(ranked.thresholds[best_f1(ranked.positives, ranked.negatives)[1]])

    def _spilled(self, file: str, head: str, threshold: float) -> dict[str, np.ndarray]:
        with np.load(file, allow_pickle=False) as spilled:
            return self._compare(spilled['labels'], spilled[f'scores/{head}'], threshold)

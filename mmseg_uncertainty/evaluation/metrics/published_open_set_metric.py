"""``--eval oIoU`` with ``protocol='published'``: the oracle protocol of the released FlowEneDet code."""
from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from mmseg.registry import METRICS

from mmseg_uncertainty.functional.open_set import published_areas
from mmseg_uncertainty.functional.ranking import best_f1, ratio
from mmseg_uncertainty.functional.score_histogram import rank_exactly

from .sample_fields import check_scores, predicted_classes, score_maps
from .streaming_metric import StreamingMetric


@METRICS.register_module()
class PublishedOpenSetMetric(StreamingMetric):
    """Open-set IoU as printed by the released FlowEneDet code; for comparison only.

    Its threshold is an oracle: the best F1 of each test image, void counted as wrong, averaged over the images. Its
    ground truth is rewritten, see :func:`~mmseg_uncertainty.functional.open_set.published_areas`. Scores wait on disk
    for the threshold, 4 bytes per pixel and head plus 2 per pixel, which takes every map to the host.

    Keys, in percent: ``oIoU`` and ``oAcc`` (means over K + 1 classes), ``aAcc``; and ``threshold``. :attr:`areas` holds
    the areas of every head. See :class:`OpenSetMetric` for the right protocol.
    """

    eval_name = 'oIoU'
    protocols = ('published', )

    def __init__(self, protocol: str = 'published', **options) -> None:
        super().__init__(protocol=protocol, **options)
        self.areas: dict[str, dict[str, np.ndarray]] = {}

    def reset(self) -> None:
        """Forget all images."""
        super().reset()
        self._folder = tempfile.TemporaryDirectory(prefix='open_set_')

    def measure(self, sample: dict) -> dict:
        """Spill one image and find its threshold; see :class:`StreamingMetric`."""
        labels = self.class_labels(sample)
        predictions = predicted_classes(sample).cpu().numpy()
        right = predictions == labels.cpu().numpy()
        maps = {head: scores.float().cpu().numpy() for head, scores in score_maps(sample, labels).items()}
        file = Path(self._folder.name) / f'{self.measured}.npz'
        np.savez(file, predictions=predictions.astype(np.uint16), right=right,
                 **{f'scores/{head}': scores for head, scores in maps.items()})
        thresholds = {}
        for head, scores in maps.items():
            if not np.isfinite(scores).all():
                scores = torch.from_numpy(scores)
                check_scores(sample, head, scores, torch.ones_like(scores, dtype=torch.bool), self.check)
            ranked = rank_exactly(scores[~right], scores[right])
            thresholds[head] = float(ranked.thresholds[best_f1(ranked.positives, ranked.negatives)[1]])
        void = int((labels >= len(self.classes)).sum())
        return dict(pixels=labels.numel(), void=void, file=str(file), heads=thresholds)

    def summarize(self, records: list[dict]) -> dict[str, float]:
        """Count the areas at the mean threshold; see :class:`StreamingMetric`."""
        metrics = {}
        for head in records[0]['heads']:
            threshold = float(np.mean([record['heads'][head] for record in records]))
            counts = sum(_outcomes(record['file'], head, np.float32(threshold), len(self.classes))
                         for record in records)
            areas = self.areas[head] = published_areas(*counts)
            hits = areas['intersect']
            values = dict(oIoU=np.nanmean(ratio(hits, areas['union'])), oAcc=np.nanmean(ratio(hits, areas['label'])),
                          aAcc=hits.sum() / areas['label'].sum())
            metrics |= {self.key(name, head): 100 * value for name, value in values.items()}
            metrics[self.key('threshold', head)] = threshold
        return metrics


def _outcomes(file: str, head: str, threshold: np.float32, classes: int) -> np.ndarray:
    """Rejected and all pixels, right and not right, per predicted class; shape (2, 2, K)."""
    with np.load(file, allow_pickle=False) as spilled:
        predictions, right, scores = (spilled[name] for name in ('predictions', 'right', f'scores/{head}'))
    groups = predictions + classes * (~right).astype(np.int64)
    return np.stack([np.bincount(part, minlength=2 * classes).reshape(2, classes)
                     for part in (groups[scores > threshold], groups.ravel())])

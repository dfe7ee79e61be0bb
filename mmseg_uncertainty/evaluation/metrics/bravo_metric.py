"""``--eval bravo``: metrics and index of the BRAVO challenge."""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import numpy as np
import torch
from mmseg.registry import METRICS
from torch import Tensor

from mmseg_uncertainty.functional import device_counts
from mmseg_uncertainty.functional.bravo import (LEVELS, OOD, SEMANTIC, SUBSETS, bravo_index, confidence_levels, ood_metrics,
                                                semantic_metrics)
from mmseg_uncertainty.functional.class_f1 import class_counts
from mmseg_uncertainty.functional.label_space import equals_any
from mmseg_uncertainty.functional.ranking import defined_mean, ratio
from mmseg_uncertainty.label_values import ANOMALY, OUTLIER, VOID

from .sample_fields import SampleError, anomaly_labels, check_scores, class_labels, label_map, predicted_classes, score_maps
from .streaming_metric import StreamingMetric

RIGHT, WRONG, INVALID, OUTSIDE = range(4)
FRACTIONS = ('ECE', )
ROUNDING = 1e-6


@METRICS.register_module()
class BravoMetric(StreamingMetric):
    """What the BRAVO challenge ranks by, for every head whose scores are probabilities of being wrong.

    The confidence of a pixel is one minus its score, cut to the 65,536 levels of a submission, so that the numbers are those of
    the toolkit where it counts all pixels, with nothing lost beyond. Heads with scores outside [0, 1] are left out with a
    warning, for a confidence is a probability there.

    Keys of each subset, with ``.<subset>`` where it is known: ``BRAVO_mIoU`` and, of each head, ``BRAVO_ECE`` (a fraction),
    ``BRAVO_AUROC``, ``BRAVO_AP_success``, ``BRAVO_AP_error``, ``BRAVO_FPR95``, ``BRAVO_OOD_AUROC``, ``BRAVO_OOD_AP``,
    ``BRAVO_OOD_FPR95`` in percent, and ``BRAVO_hmean``, the harmonic mean of those of them that the challenge counts for the
    subset. Of all subsets together ``BRAVO_semantic_hmean`` and ``BRAVO_OOD_hmean``, and ``BRAVO_index`` if all nine are there.
    mIoU has a 95 % bootstrap interval.

    The subset of an image is its ``subset``, that of the dataset's METAINFO, or the one its path names
    (``bravo_ACDC/…/fog/…``). Labels are classes; altered places are ``invalid_labels``. A dataset with anomaly labels takes part
    in the out-of-distribution half only.

    Args:
        invalid_labels: Labels of invalid pixels; ``novel_labels`` of the dataset when omitted, or else 253.
        options: See :class:`StreamingMetric`.
    """

    eval_name = 'bravo'
    label_kind = None
    protocols = ('bravo', )

    def __init__(self, protocol: str = 'bravo', invalid_labels: Sequence[int] | None = None, **options) -> None:
        self.invalid_labels = None if invalid_labels is None else tuple(invalid_labels)
        super().__init__(protocol=protocol, **options)

    def measure(self, sample: dict) -> dict:
        """Count the levels of one image by what its pixels are; see :class:`StreamingMetric`."""
        subset = self.subset_of(sample)
        meta = self.dataset_meta or {}
        if meta.get('label_kind') == 'anomaly':
            labels = anomaly_labels(sample, self.check)
            # Whether these pixels are right is not known, and nothing of the semantic half is computed from them.
            groups, outside = torch.full_like(labels, RIGHT).masked_fill_(labels == ANOMALY, INVALID), labels == VOID
            counts = torch.zeros(3, 0, dtype=torch.int64)
        else:
            raw = label_map(sample)
            invalid = self.invalid_labels or tuple(meta.get('novel_labels', ())) or (OUTLIER, )
            labels = class_labels(sample, len(self.classes), invalid, self.check)
            predicted = predicted_classes(sample)
            counts = class_counts(predicted, labels, len(self.classes))
            groups = (predicted != labels).to(torch.uint8)
            altered = equals_any(raw, invalid)
            groups, outside = groups.masked_fill_(altered, INVALID), (labels == VOID) & ~altered
        groups = groups.masked_fill_(outside, OUTSIDE)
        record = dict(pixels=labels.numel(), void=outside.sum(), subset=subset, counts=counts, heads={})
        for head, scores in score_maps(sample, groups).items():
            record['heads'][head] = self._measure_head(sample, subset, head, scores, groups, outside)
        return record

    def _measure_head(self, sample: dict, subset: str, head: str, scores: Tensor, groups: Tensor, outside: Tensor) -> Tensor:
        """Add the levels of a head; returns its lowest and highest score."""
        check_scores(sample, head, scores, ~outside, self.check)
        cells = groups.long() * LEVELS + confidence_levels(1 - scores.double())
        counts = device_counts.count_cells(cells, OUTSIDE * LEVELS)
        self.state.setdefault(f'{subset}/{head}', torch.zeros_like(counts)).add_(counts)
        counted = scores.float().masked_fill(outside, .5)
        return torch.stack([counted.amin(), counted.amax()])

    def subset_of(self, sample: Mapping) -> str:
        """Name of the subset of an image, ``''`` where nothing names one.

        Raises:
            SampleError: The sample or the dataset names none of the challenge.
        """
        named = sample.get('subset') or (self.dataset_meta or {}).get('subset')
        if named is None:
            return subset_of_path(str(sample['img_path']))
        if named not in SUBSETS:
            raise SampleError(f'{sample["img_path"]}: subset {named!r} is none of BRAVO. Choose from {", ".join(SUBSETS)}.')
        return named

    def summarize(self, records: list[dict]) -> dict[str, float]:
        """Metrics of every subset and the means of all; see :class:`StreamingMetric`."""
        subsets = [subset for subset in (*SUBSETS, '') if any(record['subset'] == subset for record in records)]
        self.provenance['subsets'] = {subset: sum(record['subset'] == subset for record in records) for subset in subsets}
        metrics, classes = {}, {}
        for subset in subsets:
            members = [record for record in records if record['subset'] == subset]
            classes[subset] = np.stack([record['counts'] for record in members])
            if 'mIoU' in SUBSETS.get(subset, SEMANTIC) and classes[subset].size:
                metrics |= self._class_metrics(subset, members, classes[subset])
        for head in self._probable_heads(records):
            found = {subset: self._head_metrics(subset, head, classes[subset].sum(0)) for subset in subsets}
            metrics |= self._head_keys(head, found)
        return metrics

    def _probable_heads(self, records: list[dict]) -> list[str]:
        heads = []
        for head in records[0]['heads']:
            ends = np.array([record['heads'][head] for record in records])
            lowest, highest = ends[:, 0].min(), ends[:, 1].max()
            if lowest < -ROUNDING or highest > 1 + ROUNDING:
                self.warn(f'head {head!r} scores from {lowest:.4g} to {highest:.4g}, and one minus the score must be a confidence '
                          'in [0, 1]; it is left out. Evaluate a head such as msp.')
            else:
                heads.append(head)
        return heads

    def _class_metrics(self, subset: str, records: list[dict], counts: np.ndarray) -> dict[str, float]:
        def mean(weights: np.ndarray) -> dict[str, np.ndarray]:
            true, false, missed = np.moveaxis(np.tensordot(weights, counts, 1).astype(float), 1, 0)
            return {_named('mIoU', subset): 100 * defined_mean(ratio(true, true + false + missed))}

        whole = mean(np.ones((1, len(records)), np.int64))
        return {self.key(name): value.item() for name, value in whole.items()} | self.intervals(records, mean)

    def _head_metrics(self, subset: str, head: str, classes: np.ndarray) -> dict[str, float]:
        right, wrong, invalid = self.state[f'{subset}/{head}'].view(OUTSIDE, LEVELS).numpy()
        wanted = SUBSETS.get(subset, SEMANTIC + OOD)
        found = {}
        if classes.size and set(wanted) & set(SEMANTIC):
            found |= semantic_metrics(classes, right, wrong)
        if subset in SUBSETS and set(wanted) & set(OOD) or subset not in SUBSETS and invalid.any():
            found |= ood_metrics(invalid, right + wrong)
        return found

    def _head_keys(self, head: str, found: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        means = bravo_index(found)
        metrics = {}
        for subset, values in found.items():
            metrics |= {self.key(_named(name, subset), head): value if name in FRACTIONS else 100 * value
                        for name, value in values.items() if name != 'mIoU'}
            metrics[self.key(_named('hmean', subset), head)] = 100 * means.subsets[subset]
        if set(found) <= {''}:
            return metrics
        metrics |= {self.key('BRAVO_semantic_hmean', head): 100 * means.semantic, self.key('BRAVO_OOD_hmean', head): 100 * means.ood}
        if not means.missing:
            return metrics | {self.key('BRAVO_index', head): 100 * means.index}
        self.provenance['missing_subsets'] = list(means.missing)
        return metrics


def _named(name: str, subset: str) -> str:
    return f'BRAVO_{name}.{subset}' if subset else f'BRAVO_{name}'


def subset_of_path(path: str) -> str:
    """Subset of BRAVO that a path lies in, ``''`` for none.

    Examples:
        >>> subset_of_path('data/bravo/bravo_ACDC/rgb_anon/fog/test/GOPR0475/a_rgb_anon.png'), subset_of_path('camvid/a.png')
        ('ACDCfog', '')
    """
    parts = PurePath(path.replace('\\', '/')).parts
    names = [re.sub('^bravo_', '', part) for part in parts if part.startswith('bravo_')]
    if 'ACDC' in names:
        names = [f'ACDC{part}' for part in parts]
    return next((name for name in names if name in SUBSETS), '')

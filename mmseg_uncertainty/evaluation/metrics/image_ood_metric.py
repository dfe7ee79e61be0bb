"""``--eval OOD-image``: is a whole image from another domain?"""
from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import torch
from mmseg.registry import METRICS

from mmseg_uncertainty.functional import device_counts
from mmseg_uncertainty.functional.bootstrap import resample_two_samples
from mmseg_uncertainty.functional.ranking import auroc, ratio
from mmseg_uncertainty.functional.score_histogram import rank_exactly

from .sample_fields import check_scores, score_maps
from .streaming_metric import StreamingMetric


@METRICS.register_module()
class ImageOODMetric(StreamingMetric):
    """AUROC in percent of telling shifted from in-domain images by the mean score of all their pixels.

    Labels are not used, so void pixels count, as they would in use. Keys: ``OOD-image_AUROC`` of each head over all
    shifted images and ``OOD-image_AUROC.<condition>`` where images carry a condition, with 95 % bootstrap intervals over the
    scenes or images of both domains; a scene that both hold is drawn for both. Of a ``reference`` images are drawn.

    Two domains are needed: tell them apart by path, or bring the image scores of an earlier run on in-domain images.

    Args:
        in_domain: Regular expression; images whose path matches are in-domain, the others are shifted.
        reference: JSON file with the scores of in-domain images, written by ``scores_file`` of an earlier run; every
            image of this run is then shifted, unless ``in_domain`` matches it.
        scores_file: Where to write the scores of this run's images, by head.
        keep_scores: Whether to put the scores of this run's images, by head, into the provenance.
        condition: Regular expression with one group that takes an image's condition from its path; ``metainfo`` of the
            sample may carry ``condition`` instead.
        options: See :class:`StreamingMetric`.
    """

    eval_name = 'OOD-image'
    label_kind = None
    protocols = ('pooled', 'published')

    def __init__(self,
                 in_domain: str | None = None,
                 reference: str | None = None,
                 scores_file: str | None = None,
                 condition: str | None = None,
                 keep_scores: bool = False,
                 **options) -> None:
        super().__init__(**options)
        if in_domain is None and reference is None and scores_file is None and not keep_scores:
            raise ValueError('OOD-image compares two domains: give in_domain (a regular expression on image paths) or '
                             'reference (scores of an earlier run on in-domain images, written with scores_file).')
        self.in_domain = in_domain
        self.reference = json.loads(Path(reference).read_text(encoding='utf-8')) if reference is not None else {}
        self.scores_file = scores_file
        self.condition = condition
        self.keep_scores = keep_scores

    def measure(self, sample: dict) -> dict:
        """Mean score of every head; see :class:`StreamingMetric`."""
        path = str(sample['img_path'])
        means = {}
        for head, scores in score_maps(sample).items():
            means[head] = scores.double().mean()
            if not device_counts.on_host(scores) or not means[head].isfinite():
                check_scores(sample, head, scores, torch.ones_like(scores, dtype=torch.bool), self.check)
        shifted = self.in_domain is None or re.search(self.in_domain, path) is None
        return dict(pixels=scores.numel(), heads=means, shifted=shifted, condition=self._condition(sample, path))

    def _condition(self, sample: dict, path: str) -> str | None:
        if self.condition is None:
            return sample.get('condition')
        match = re.search(self.condition, path)
        return match[1] if match else None

    def summarize(self, records: list[dict]) -> dict[str, float]:
        """AUROC of every head, over all and per condition; see :class:`StreamingMetric`."""
        heads = list(records[0]['heads'])
        if self.scores_file is not None:
            scores = {head: [record['heads'][head] for record in records] for head in heads}
            Path(self.scores_file).write_text(json.dumps(scores), encoding='utf-8')
        if self.keep_scores:
            self.provenance['scores'] = {head: [record['heads'][head] for record in records] for head in heads}
        if self.keep_scores and self.in_domain is None and not self.reference:
            return {}
        shifted = np.array([record['shifted'] for record in records])
        conditions = np.array([record['condition'] or '' for record in records])
        units = np.array(self.units(records))
        metrics = {}
        for head in heads:
            scores = np.array([record['heads'][head] for record in records])
            elsewhere = np.array(self.reference.get(head, []), float)
            inside = np.r_[scores[~shifted], elsewhere]
            inside_units = np.r_[units[~shifted], [f'reference {index}' for index in range(elsewhere.size)]]
            if not inside.size or not shifted.any():
                self.warn(f'head {head!r} has {inside.size} in-domain and {shifted.sum()} shifted images; both are '
                          'needed.')
            for name in ['', *sorted(set(conditions[shifted]) - {''})]:
                chosen = shifted & (conditions == name) if name else shifted
                suffix = f'.{name}' if name else ''
                metrics |= self._auroc(suffix, head, scores[chosen], inside, units[chosen], inside_units)
        self.provenance |= dict(shifted_images=int(shifted.sum()), in_domain_images=int(inside.size))
        return metrics

    def _auroc(self, suffix: str, head: str, shifted: np.ndarray, inside: np.ndarray, shifted_units: np.ndarray,
               inside_units: np.ndarray) -> dict[str, float]:
        name = f'OOD-image_AUROC{suffix}'
        ranked = rank_exactly(shifted, inside)
        metrics = {self.key(name, head): 100 * auroc(ranked.positives, ranked.negatives)}
        if not self.resamples or not shifted.size or not inside.size:
            return metrics
        if min(np.unique(units).size for units in (shifted_units, inside_units)) < 2:
            return metrics | self.undefined([name], head)
        wins = (shifted[:, None] > inside) + .5 * (shifted[:, None] == inside)
        first, second = resample_two_samples(shifted_units, inside_units, self.resamples, self.seed)
        values = ratio(((first @ wins) * second).sum(1), first.sum(1) * second.sum(1))
        return metrics | self.interval(name, 100 * values, head)

"""``--eval coverage``: whether prediction sets keep what they promise, and how large they are."""
from __future__ import annotations

import numpy as np
from mmseg.registry import METRICS
from torch import Tensor

from mmseg_uncertainty.functional.bootstrap import completed
from mmseg_uncertainty.functional.prediction_sets import class_counts
from mmseg_uncertainty.functional.ranking import ratio
from mmseg_uncertainty.label_values import VOID

from .sample_fields import SampleError
from .streaming_metric import StreamingMetric

COUNTS = ('class_pixels', 'class_covered', 'size_pixels', 'size_covered')


@METRICS.register_module()
class CoverageMetric(StreamingMetric):
    """Risk and size of the prediction sets; void pixels are left out.

    Keys under ``set/``, as fractions unless stated otherwise, with 95 % bootstrap intervals over scenes or images:

    - ``risk``: miscoverage of an image, averaged over images; ``binary_risk``: share of images of which less than
      ``required_coverage`` is covered; ``coverage``: covered share of all pixels.
    - ``mean_size``: classes per pixel (activation ratio), averaged over images; ``empty``, ``singletons`` and ``full``:
      shares of the pixels.
    - ``miss.<class>``: missed share of a class, averaged over the images that contain it (what ``class_miss`` and
      ``class_conditional`` promise).
    - ``coverage.<class>``: of the pixels of a class; ``coverage.size<n>``: of the pixels whose set has n classes;
      ``coverage.worst_class`` and ``coverage.worst_size``: the smallest of those, strata of few pixels left out.

    Resamples without a class are left out of its own intervals; for the worst they take its value of all images.

    Args:
        required_coverage: Coverage below which an image counts as lost in ``binary_risk``, in (0, 1].
        smallest_stratum: Share of the pixels that a stratum must hold to be named the worst.
        options: See :class:`StreamingMetric`.
    """

    eval_name = 'coverage'
    protocols = ('pooled', )

    def __init__(self, required_coverage: float = 0.9, smallest_stratum: float = 1e-3, **options) -> None:
        if not 0 < required_coverage <= 1:
            raise ValueError(f'coverage: required_coverage={required_coverage} must lie in (0, 1].')
        self.required_coverage = required_coverage
        self.smallest_stratum = smallest_stratum
        super().__init__(**options)

    def measure(self, sample: dict) -> dict:
        """Count one image; see :class:`StreamingMetric`."""
        labels = self.class_labels(sample)
        membership = self._membership(sample, labels)
        labels = labels.to(membership.device).long()
        valid = labels != VOID
        covered = membership.gather(0, labels.masked_fill(~valid, 0).unsqueeze(0))[0] & valid
        size = membership.sum(dim=0)
        num_classes = len(membership)
        counts = [class_counts(kept[None], bins)[0]
                  for kept, bins in ((labels, num_classes), (labels.where(covered, VOID), num_classes),
                                     (size.where(valid, VOID), num_classes + 1), (size.where(covered, VOID), num_classes + 1))]
        return dict(zip(COUNTS, counts), pixels=labels.numel(), void=(~valid).sum())

    def summarize(self, records: list[dict]) -> dict[str, float]:
        """Compute all ratios and their intervals; see :class:`StreamingMetric`."""
        split = (self.dataset_meta or {}).get('split')
        self.provenance['split'] = split
        if split and split['part'] != 'test':
            self.warn('these images calibrated the sets, so that risks come out too small; test on the other part.')
        if split and split.get('by') == 'image':
            self.warn('images were split at random; frames of a sequence are not exchangeable, and risks look better than '
                      'on new sequences.')
        ratios = self._ratios({name: np.stack([record[name] for record in records]) for name in COUNTS})
        names, parts, totals = list(ratios), *(np.stack(column, axis=1) for column in zip(*ratios.values()))
        ones = np.ones((1, len(records)), np.int64)
        values = self._with_worst(names, ones, parts, totals)
        results = {self.key(name, 'set'): value.item() for name, value in values.items()}
        return results | self.intervals(records, lambda weights: self._with_worst(names, weights, parts, totals), 'set')

    def _membership(self, sample: dict, labels: Tensor) -> Tensor:
        if 'prediction_set' not in sample:
            if sample.get('test_time_views'):
                raise SampleError('Prediction sets keep their promise for single predictions, not for the mean of several views; '
                                  'evaluate coverage without --tta.')
            raise SampleError(f'{sample["img_path"]} carries no prediction set. Evaluate a PosthocSegmentor with a set_head, '
                              'for instance a config that ends in _CRC or _KANDINSKY.')
        membership = sample['prediction_set']['membership']
        if membership.shape != (len(self.classes), *labels.shape):
            raise SampleError(f'{sample["img_path"]}: the prediction set has shape {tuple(membership.shape)}, expected '
                              f'{(len(self.classes), *labels.shape)}; check num_classes of the set head.')
        return membership

    def _ratios(self, counts: dict[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Numerator and denominator of every ratio in each image."""
        pixels, covered = counts['class_pixels'].sum(axis=1), counts['class_covered'].sum(axis=1)
        seen = (pixels > 0).astype(float)
        share = covered / np.maximum(pixels, 1)
        sizes = counts['size_pixels'] @ np.arange(counts['size_pixels'].shape[1])
        ratios = dict(
            risk=((1 - share) * seen, seen),
            binary_risk=((share < self.required_coverage - 1e-9) * seen, seen),
            coverage=(covered, pixels),
            mean_size=(sizes / np.maximum(pixels, 1), seen),
            empty=(counts['size_pixels'][:, 0], pixels),
            singletons=(counts['size_pixels'][:, 1], pixels),
            full=(counts['size_pixels'][:, -1], pixels))
        for label, name in enumerate(self.classes):
            own, held = counts['class_pixels'][:, label], counts['class_covered'][:, label]
            ratios[f'coverage.{name}'] = held, own
            ratios[f'miss.{name}'] = 1.0 * (own > 0) - held / np.maximum(own, 1), own > 0
        for size in np.flatnonzero(counts['size_pixels'].sum(axis=0)):
            ratios[f'coverage.size{size}'] = counts['size_covered'][:, size], counts['size_pixels'][:, size]
        return ratios

    def _with_worst(self, names: list[str], weights: np.ndarray, parts: np.ndarray,
                    totals: np.ndarray) -> dict[str, np.ndarray]:
        """All ratios of each resample, shape (R,), and the smallest among large enough strata."""
        pixels = totals.sum(axis=0)
        values, whole = ratio(weights @ parts, weights @ totals), ratio(parts.sum(axis=0), pixels)
        large = pixels >= self.smallest_stratum * pixels[names.index('coverage')]
        ratios = dict(zip(names, values.T))
        for kind in ('class', 'size'):
            strata = [large[index] and name.startswith('coverage.') and (name[9:] in self.classes) == (kind == 'class')
                      for index, name in enumerate(names)]
            strata = np.flatnonzero(strata & ~np.isnan(whole))
            worst = completed(values[:, strata], whole[strata]).min(axis=1, initial=np.inf)
            ratios[f'coverage.worst_{kind}'] = np.where(np.isfinite(worst), worst, np.nan)
        return ratios

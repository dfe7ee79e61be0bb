"""``--eval ECE``: calibration of the class probabilities."""
from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from mmseg.registry import METRICS
from torch import Tensor

from mmseg_uncertainty.functional import calibration_error as errors
from mmseg_uncertainty.functional import device_counts
from mmseg_uncertainty.functional.bootstrap import percentile_interval
from mmseg_uncertainty.functional.class_distributions import OneSigmoid, Sigmoids
from mmseg_uncertainty.functional.calibration_error import ReliabilitySums, add_to_bins, reliability_sums
from mmseg_uncertainty.functional.device_calibration import (class_reliability_counts, equal_width_cells,
                                                              reliability_counts)
from mmseg_uncertainty.functional.ranking import ratio
from mmseg_uncertainty.functional.score_histogram import score_keys, score_keys_of_tensor
from mmseg_uncertainty.functional.smooth_calibration import smooth_calibration_bound, smooth_calibration_error
from mmseg_uncertainty.functional.softmax_statistics import (SoftmaxStatistics, class_reliability_sums, pixel_softmax,
                                                             softmax_statistics)

from .sample_fields import SampleError, predicted_classes
from .streaming_metric import StreamingMetric

CHUNK, DEVICE_CHUNK = 1 << 15, 1 << 19
FINE_BITS = 16
LOWEST, HIGHEST = (int(key) for key in score_keys(np.float32([0, 1]), FINE_BITS))
FINE_BINS = HIGHEST - LOWEST + 1
UNCALIBRATED = 'uncalibrated'


@METRICS.register_module()
class CalibrationMetric(StreamingMetric):
    """Calibration of the class probabilities, after the calibrator where the model has one; void pixels are left out.

    Keys, as fractions unless stated otherwise: ``ECE``, ``MCE`` (equal-width bins), ``adaptive_ECE`` (equally filled
    bins), ``KS``, ``smooth_ECE`` (a kernel as wide as the error), ``classwise_ECE`` (one-vs-rest, mean over the classes),
    ``NLL`` in nats per pixel,
    ``Brier`` in [0, 2]. ECE, NLL and Brier carry 95 % bootstrap intervals over scenes or images. Where the model has a
    calibrator, the same numbers of the base model's own probabilities follow under ``uncalibrated/``, and ``logits`` of the
    provenance says
    ``'calibrated'`` instead of ``'base model'``.

    Rank-based errors come from 16257 bins, 128 for each halving of 1 - confidence; ``KS_bound``,
    ``adaptive_ECE_bound`` and ``smooth_ECE_bound`` are what these may hide.

    Protocols:
        - ``'pooled'``: pixels of all images together.
        - ``'per_image'``: ECE, MCE, NLL and Brier of each image, averaged.
        - ``'published'``: as pooled, with the adaptive bins of the released RELIS code (edges at interpolated ranks).

    Args:
        bins: Number of bins.
        classwise: Whether to compute the class-wise error.
        options: See :class:`StreamingMetric`.
    """

    eval_name = 'ECE'
    protocols = ('pooled', 'per_image', 'published')

    def __init__(self, protocol: str = 'pooled', bins: int = 15, classwise: bool = True, **options) -> None:
        self.bins = bins
        self.classwise = classwise
        super().__init__(protocol=protocol, **options)

    def measure(self, sample: dict) -> dict:
        """Add one image in chunks of pixels; see :class:`StreamingMetric`."""
        labels = self.class_labels(sample).reshape(-1)
        # The likeliest of merged classes need not hold the likeliest class.
        merged = 'class_groups' in (self.dataset_meta or {})
        predictions = None if merged else predicted_classes(sample).reshape(-1)
        base = 'class_logits' if 'class_logits' in sample else 'seg_logits'
        if 'calibrated_logits' not in sample:
            return self._measure_logits(sample, base, labels, predictions)
        # A decision threshold decides whatever the calibrator says; else the calibrated probabilities do.
        decided = predictions if sample.get('class_distribution') == OneSigmoid.name else None
        record = self._measure_logits(sample, 'calibrated_logits', labels, decided)
        if base == 'class_logits':
            record[UNCALIBRATED] = self._measure_logits(sample, base, labels, decided, UNCALIBRATED)
        return record

    def _measure_logits(self, sample: dict, name: str, labels: Tensor, predictions: Tensor | None = None,
                        source: str | None = None) -> dict:
        logits = self._logits(sample, name, labels.numel())
        predictions = logits.argmax(0) if predictions is None else predictions
        exclusive = sample.get('class_distribution') != Sigmoids.name
        if not device_counts.on_host(logits):
            return self._measure_on_device(sample['img_path'], logits, labels, predictions, exclusive, source)
        parts = []
        for start in range(0, labels.numel(), CHUNK):
            part = slice(start, start + CHUNK)
            parts.append(self._measure_chunk(logits[:, part], labels[part].to(logits.device), predictions[part], exclusive,
                                             source))
        nll, brier = (sum(getattr(part, name) for part in parts) for name in ('nll', 'brier'))
        if not np.isfinite(nll + brier):
            raise _non_finite_logits(sample['img_path'])
        confidence, correct = (np.concatenate([getattr(part, name) for part in parts])
                               for name in ('confidence', 'correct'))
        self._add_fine(confidence, correct, source)
        sums = reliability_sums(confidence, correct, self.bins)
        return dict(pixels=labels.numel(), void=labels.numel() - confidence.size, nll=nll, brier=brier,
                    reliability=np.stack([sums.count, sums.correct, sums.confidence]))

    def _measure_on_device(self, path: str, logits: Tensor, labels: Tensor, predictions: Tensor, exclusive: bool,
                           source: str | None) -> dict:
        labels = labels.to(logits.device, non_blocking=True)
        record = dict(nll=0., brier=0., void=0, reliability=0)
        for start in range(0, labels.numel(), DEVICE_CHUNK):
            part = slice(start, start + DEVICE_CHUNK)
            pixels = pixel_softmax(logits[:, part], labels[part], predictions[part], exclusive)
            sums = pixels.confidence, pixels.correct, pixels.labelled
            for name in ('nll', 'brier'):
                values = getattr(pixels, name).masked_fill(~pixels.labelled, 0)
                record[name] = record[name] + values.sum(dtype=torch.float64)
            record['void'] = record['void'] + (~pixels.labelled).sum()
            cells = equal_width_cells(pixels.confidence, self.bins)
            record['reliability'] = record['reliability'] + reliability_counts(cells, self.bins, *sums)
            fine = (HIGHEST - score_keys_of_tensor(1 - pixels.confidence, FINE_BITS)).clamp_(0, FINE_BINS - 1)
            self._add('fine', source, reliability_counts(fine, FINE_BINS, *sums))
            if self.classwise and self.protocol != 'per_image':
                self._add('classwise', source, class_reliability_counts(pixels.probabilities, labels[part], self.bins))
        self.check((~(record['nll'] + record['brier']).isfinite())[None].long(), partial(_non_finite_logits, path))
        return dict(pixels=labels.numel(), **record)

    def _add(self, name: str, source: str | None, sums: Tensor) -> None:
        self.state.setdefault(_state_key(name, source), torch.zeros_like(sums)).add_(sums)

    def _logits(self, sample: dict, name: str, pixels: int) -> Tensor:
        if name not in sample:
            raise SampleError(f'{sample["img_path"]} carries no {name}, which ECE is computed from.')
        logits = sample[name]['data']
        if name == 'seg_logits' and len(logits) == 1 and len(self.classes) == 2:
            raise SampleError(f'{sample["img_path"]}: seg_logits of one sigmoid channel are probabilities of one class, and ECE '
                              "reads logits of both. Evaluate the model as a PosthocSegmentor, whose samples have them.")
        if logits.shape[0] != len(self.classes) or logits[0].numel() != pixels:
            raise SampleError(f'{sample["img_path"]}: {name} have shape {tuple(logits.shape)}, expected '
                              f'{len(self.classes)} classes and {pixels} pixels. Load the labels after Resize in the '
                              'test pipeline, and check num_classes.')
        return logits.reshape(logits.shape[0], -1)

    def _measure_chunk(self, logits: Tensor, labels: Tensor, predictions: Tensor, exclusive: bool,
                       source: str | None) -> SoftmaxStatistics:
        statistics = softmax_statistics(logits, labels, predictions, exclusive)
        if self.classwise and self.protocol != 'per_image' and np.isfinite(statistics.nll):
            sums = class_reliability_sums(statistics.probabilities, labels, self.bins)
            self._add('classwise', source, torch.from_numpy(np.stack([sums.count, sums.correct, sums.confidence])))
        return replace(statistics, probabilities=None)

    def _add_fine(self, confidence: np.ndarray, correct: np.ndarray, source: str | None) -> None:
        fine = self.state.setdefault(_state_key('fine', source), torch.zeros(3, FINE_BINS, dtype=torch.int64))
        add_to_bins(fine.numpy(), HIGHEST - score_keys(1 - confidence, FINE_BITS).astype(np.int64), confidence, correct)

    def summarize(self, records: list[dict]) -> dict[str, float]:
        """Compute every error; see :class:`StreamingMetric`."""
        calibrated = [dict(record[UNCALIBRATED], path=record['path'], scene=record['scene'])
                      for record in records if UNCALIBRATED in record]
        self.provenance |= dict(bins=self.bins, logits='calibrated' if calibrated else 'base model')
        if not any(record['pixels'] > record['void'] for record in records):
            self.warn('there is no labelled pixel; calibration is undefined (NaN).')
        metrics = self._summarize_logits(records, None)
        return metrics | self._summarize_logits(calibrated, UNCALIBRATED) if calibrated else metrics

    def _summarize_logits(self, records: list[dict], source: str | None) -> dict[str, float]:
        pixels = np.array([record['pixels'] - record['void'] for record in records])
        sums = np.stack([record['reliability'] for record in records])
        totals = {name: np.array([record[name.lower()] for record in records]) for name in ('NLL', 'Brier')}
        if self.protocol == 'per_image':
            return self._averaged(ReliabilitySums(*np.moveaxis(sums, 1, 0)), totals, pixels, records, source)
        pooled = ReliabilitySums(*sums.sum(0))
        metrics = {self.key('ECE', source): errors.expected_calibration_error(pooled),
                   self.key('MCE', source): errors.maximum_calibration_error(pooled)}
        metrics |= {self.key(name, source): total.sum() / pixels.sum() if pixels.any() else np.nan
                    for name, total in totals.items()}
        self._keep_diagram(pooled, sums, records, source)
        return metrics | self._intervals(sums, totals, pixels, records, source) | self._ranked_errors(source)

    def _keep_diagram(self, pooled: ReliabilitySums, sums: np.ndarray, records: list[dict], source: str | None) -> None:
        self.provenance[_state_key('reliability', source)] = dict(
            count=pooled.count.tolist(), correct=pooled.correct.tolist(), confidence=pooled.confidence_sum.tolist())
        if self.plot_dir is not None:
            from mmseg_uncertainty.visualization.metric_plots import plot_reliability
            name = _state_key('ECE_reliability', source)
            plot_reliability(pooled, Path(self.plot_dir) / f'{name}.png', f'ECE on {self.dataset_name}',
                             self._accuracy_intervals(sums, records))

    def _accuracy_intervals(self, sums: np.ndarray, records: list[dict]) -> tuple[np.ndarray, np.ndarray] | None:
        """Ends of the 95 % interval of the accuracy in every bin, from the same resamples as the errors'."""
        if not self.resamples or not self.spreads(records):
            return None
        drawn = np.tensordot(self.weights(records), sums, 1)
        bins = ReliabilitySums(*np.moveaxis(drawn, 1, 0))
        accuracy = ratio(bins.correct, bins.count)
        ends = np.array([percentile_interval(column) for column in accuracy.T])
        return ends[:, 0], ends[:, 1]

    def _ranked_errors(self, source: str | None) -> dict[str, float]:
        fine = ReliabilitySums(*self.state[_state_key('fine', source)].numpy())
        published = 'published_' if self.protocol == 'published' else ''
        adaptive, bound = (getattr(errors, f'{published}adaptive_calibration_{kind}') for kind in ('error', 'bound'))
        metrics = {self.key('adaptive_ECE', source): adaptive(fine, self.bins),
                   self.key('adaptive_ECE_bound', source): bound(fine, self.bins),
                   self.key('KS', source): errors.kolmogorov_smirnov_error(fine),
                   self.key('KS_bound', source): errors.kolmogorov_smirnov_bound(fine),
                   self.key('smooth_ECE', source): smooth_calibration_error(fine),
                   self.key('smooth_ECE_bound', source): smooth_calibration_bound(fine)}
        classwise = self.state.get(_state_key('classwise', source))
        if classwise is not None:
            each = errors.expected_calibration_error(ReliabilitySums(*classwise.numpy()))
            metrics[self.key('classwise_ECE', source)] = each.mean()
        return metrics

    def _intervals(self, sums: np.ndarray, totals: dict[str, np.ndarray], pixels: np.ndarray, records: list[dict],
                   source: str | None) -> dict[str, float]:
        def values(weights: np.ndarray) -> dict[str, np.ndarray]:
            drawn = np.moveaxis(np.tensordot(weights, sums, 1), 1, 0)
            ratios = {name: ratio(weights @ total, weights @ pixels) for name, total in totals.items()}
            return dict(ECE=errors.expected_calibration_error(ReliabilitySums(*drawn))) | ratios

        return self.intervals(records, values, source)

    def _averaged(self, sums: ReliabilitySums, totals: dict[str, np.ndarray], pixels: np.ndarray, records: list[dict],
                  source: str | None) -> dict[str, float]:
        labelled = (pixels > 0).astype(np.int64)
        values = dict(ECE=errors.expected_calibration_error(sums), MCE=errors.maximum_calibration_error(sums))
        values |= {name: total / np.maximum(pixels, 1) for name, total in totals.items()}
        known = {name: np.where(labelled, each, 0) for name, each in values.items()}

        def means(weights: np.ndarray) -> dict[str, np.ndarray]:
            return {name: ratio(weights @ each, weights @ labelled) for name, each in known.items()}

        whole = means(np.ones((1, pixels.size), np.int64))
        metrics = {self.key(name, source): value.item() for name, value in whole.items()}
        return metrics | self.intervals(records, means, source)


def _non_finite_logits(path: str, *_: int) -> SampleError:
    return SampleError(f'{path}: the logits are NaN or infinite in a labelled pixel. Check the model, its calibrator, and '
                       'half precision.')


def _state_key(name: str, source: str | None) -> str:
    return name if source is None else f'{source}_{name}'

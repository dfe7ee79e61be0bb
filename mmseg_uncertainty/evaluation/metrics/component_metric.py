"""``--eval components``: anomaly segmentation object by object."""
from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmseg.registry import METRICS
from torch import Tensor

from mmseg_uncertainty.functional.component_metrics import (TRACKS, ComponentTrack, TrueComponents, component_counts,
                                                            found_in_bands, mean_component_f1, overlaps_with, true_components)
from mmseg_uncertainty.functional.distances import object_distances
from mmseg_uncertainty.functional.quantile_bins import QuantileBins, best_binned_f1, quantile_bins
from mmseg_uncertainty.functional.ranking import best_f1, best_f1_bound, ratio
from mmseg_uncertainty.functional.score_histogram import NonFiniteScoreError, ScoreHistogram
from mmseg_uncertainty.label_values import ANOMALY, IN_DISTRIBUTION, VOID
from mmseg_uncertainty.runtime.near_names import did_you_mean

from .thresholds import ThresholdError, read_thresholds
from .sample_fields import NO_ANOMALY_ADVICE, SampleError, anomaly_labels, check_scores, score_maps
from .streaming_metric import StreamingMetric


@METRICS.register_module()
class ComponentMetric(StreamingMetric):
    """Component-level metrics of SegmentMeIfYouCan, in percent: ``sIoU``, ``PPV`` and ``F1*``, with the ``threshold``.

    ``sIoU`` is the mean over all true components, ``PPV`` over all predicted ones (NaN without any), ``F1*`` the F1
    averaged over eleven overlap levels from 25 % to 75 %, with its 95 % bootstrap interval over scenes or images. Components
    are found on the host, so every map comes there with its image.

    Protocols:
        - ``'anomaly'``: the benchmark's anomaly track: predicted components below 500 pixels vanish, true ones below 100
          pixels are void.
        - ``'obstacle'``: its obstacle track: 50 and 10 pixels.
        - ``'pooled'``: the sizes given; 500 and 0 when omitted.

    Args:
        protocol: One of these; when omitted, the ``track`` in the METAINFO of the dataset, or else ``'pooled'``, which it also
            is where sizes are given.
        threshold: ``score > threshold`` is an anomaly: a number, one per head, or the JSON file of an earlier run
            (``threshold`` of each head, or ``F1_threshold``, which takes scores equal to it as well). When omitted, the
            threshold of the best pixel F1 on the evaluated images is taken, which is what the benchmark does and an oracle;
            scores then wait on disk, 4 bytes per pixel and head. ``threshold_F1`` is that F1, in percent. The two tracks find
            it as the benchmark does, over :mod:`quantiles <mmseg_uncertainty.functional.quantile_bins>` of each image,
            ``'pooled'`` over all scores.
        smallest_prediction: Least number of pixels of a predicted component; smaller ones vanish.
        smallest_truth: Least number of pixels of a true component; smaller ones become void.
        size_bands: Sizes in pixels at which bands of true components begin, such as ``(100, 1000, 10000)``: ``recall.100-999``,
            ..., ``recall.10000-`` are then the percentages of the components of a band that are found, with intervals; their
            numbers are ``objects`` of the provenance.
        distance_bands: Distances in metres at which bands begin, such as ``(0, 20, 50)``, for data whose samples carry
            ``gt_depth_map`` (:class:`~mmseg_uncertainty.datasets.transforms.LoadDistances`): ``recall.0-20m``, ...,
            ``recall.50-m``. Objects of unknown distance are in none.
        recall_level: sIoU from which on a component is found there.
        options: See :class:`StreamingMetric`.
    """

    eval_name = 'components'
    label_kind = 'anomaly'
    protocols = ('pooled', *TRACKS)

    def __init__(self,
                 protocol: str | None = None,
                 threshold: float | dict[str, float] | str | None = None,
                 smallest_prediction: int | None = None,
                 smallest_truth: int | None = None,
                 size_bands: Sequence[int] = (),
                 distance_bands: Sequence[float] = (),
                 recall_level: float = .25,
                 **options) -> None:
        sizes = smallest_prediction, smallest_truth
        self.follows_dataset = protocol is None and sizes == (None, None)
        super().__init__(protocol=protocol or 'pooled', **options)
        if protocol in TRACKS and sizes != (None, None):
            track = TRACKS[protocol]
            raise ValueError(f'components: protocol={protocol!r} fixes the sizes ({track.smallest_prediction} and '
                             f'{track.smallest_truth} pixels); leave out smallest_prediction={smallest_prediction} and '
                             f"smallest_truth={smallest_truth}, or choose protocol='pooled'.")
        self.size_bands = tuple(size_bands)
        if any(low >= high for low, high in pairwise((0, *self.size_bands))):
            raise ValueError(f'components: size_bands={self.size_bands} must begin above 0 and ascend; give sizes in pixels such as '
                             '(100, 1000, 10000).')
        self.distance_bands = tuple(distance_bands)
        if any(low >= high for low, high in pairwise((-1, *self.distance_bands))):
            raise ValueError(f'components: distance_bands={self.distance_bands} must begin at 0 or above and ascend; give metres '
                             'such as (0, 20, 50).')
        self.recall_level = recall_level
        self.threshold = _given_thresholds(threshold) if isinstance(threshold, (str, Path)) else threshold
        self.sizes = ComponentTrack(500 if smallest_prediction is None else smallest_prediction, smallest_truth or 0)

    @StreamingMetric.dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        """Set the dataset's meta information, and the protocol it asks for where none was given.

        Raises:
            ValueError: If the labels of the dataset are not of the kind this metric needs, or its track is unknown.
        """
        StreamingMetric.dataset_meta.fset(self, dataset_meta)
        if self.follows_dataset:
            track = dataset_meta.get('track') or 'pooled'
            if track not in self.protocols:
                raise ValueError(f'components: the METAINFO of {self.dataset_name} names the track {track!r}.'
                                 f'{did_you_mean(str(track), self.protocols)} Choose from {", ".join(self.protocols)}.')
            self.protocol = track

    @property
    def track(self) -> ComponentTrack:
        """Sizes below which components do not count."""
        return TRACKS.get(self.protocol, self.sizes)

    def reset(self) -> None:
        """Forget all images."""
        super().reset()
        self._folder = tempfile.TemporaryDirectory(prefix='components_')

    def measure(self, sample: dict) -> dict:
        """Compare the components of one image, or spill it until the threshold is known."""
        groups = anomaly_labels(sample, self.check).cpu()
        labels = groups.numpy()
        record = dict(pixels=labels.size, void=int((labels == VOID).sum()), heads={})
        maps = {head: scores.cpu() for head, scores in score_maps(sample, groups).items()}
        true = None if self.threshold is None and not self.distance_bands else self._true_components(labels)
        record['distances'] = self._distances(sample, true) if self.distance_bands else None
        if self.threshold is not None:
            for head, scores in maps.items():
                check_scores(sample, head, scores, groups != VOID, self.check)
                record['heads'][head] = self._compare(true, scores.numpy(), self._given(head), record['distances'])
            return record
        if self.protocol in TRACKS:
            pixels = [labels == group for group in (ANOMALY, IN_DISTRIBUTION)]
            record['bins'] = _by_head(lambda head: self._bins(sample, head, maps[head], groups, pixels), maps)
        else:
            for head, scores in maps.items():
                self.count_scores(self.histograms.setdefault(head, ScoreHistogram()), sample, head, scores, groups)
        record |= dict(heads=dict.fromkeys(maps), file=str(Path(self._folder.name, str(self.measured))))
        np.save(f'{record["file"]}_labels.npy', labels)
        files = self._files(record)
        _by_head(lambda head: np.save(files[head], maps[head].numpy()), maps)
        return record

    def _bins(self, sample: dict, head: str, scores: Tensor, groups: Tensor, pixels: list[np.ndarray]) -> QuantileBins | None:
        try:
            return quantile_bins(*(scores.numpy()[members] for members in pixels))
        except NonFiniteScoreError:
            check_scores(sample, head, scores, groups != VOID, self.check)
            return None

    def _given(self, head: str) -> float:
        if not isinstance(self.threshold, dict):
            return float(self.threshold)
        if head not in self.threshold:
            raise KeyError(f'components: no threshold for head {head!r}; given are {sorted(self.threshold)}.')
        return self.threshold[head]

    def _true_components(self, labels: np.ndarray) -> TrueComponents:
        return true_components(labels == ANOMALY, labels == VOID, self.track.smallest_truth)

    def _distances(self, sample: dict, true: TrueComponents) -> np.ndarray:
        """Distance of every true component."""
        if 'gt_depth_map' not in sample:
            raise SampleError(f'{sample["img_path"]} carries no distances (gt_depth_map), and distance_bands needs them. Add '
                              "dict(type='LoadDistances', ...) to the test pipeline.")
        distances = sample['gt_depth_map']['data'].reshape(true.components.shape).cpu().numpy()
        return object_distances(true.components, true.count, distances)

    def _compare(self, true: TrueComponents, scores: np.ndarray, threshold: float,
                 distances: np.ndarray | None) -> dict[str, np.ndarray]:
        overlaps = overlaps_with(true, scores > np.float64(threshold), self.track.smallest_prediction)
        found = overlaps.adjusted_iou >= self.recall_level
        bands = [found_in_bands(overlaps.pixels, found, self.size_bands)]
        if distances is not None:
            bands.append(found_in_bands(distances, found, self.distance_bands))
        return dict(counts=component_counts(overlaps), sIoU=overlaps.adjusted_iou, PPV=overlaps.precision,
                    bands=np.concatenate(bands, axis=1))

    def summarize(self, records: list[dict]) -> dict[str, float]:
        """Average over components; see :class:`StreamingMetric`."""
        self.provenance |= dict(asdict(self.track), threshold_from='best pixel F1' if self.threshold is None else 'given')
        heads = {head: self._oracle(head, records) if self.threshold is None else (self._given(head), {})
                 for head in records[0]['heads']}
        measured = [record['heads'] if self.threshold is not None else self._spilled(record, heads) for record in records]
        metrics = {}
        for head, (threshold, chosen) in heads.items():
            parts = [image[head] for image in measured]
            counts = np.stack([part['counts'] for part in parts])
            metrics[self.key('F1*', head)] = 100 * mean_component_f1(counts.sum(0))
            for name in ('sIoU', 'PPV'):
                values = np.concatenate([part[name] for part in parts])
                metrics[self.key(name, head)] = 100 * values.mean() if values.size else np.nan
            metrics[self.key('threshold', head)] = threshold
            metrics |= {self.key(name, head): 100 * value for name, value in chosen.items()}
            metrics |= self.intervals(records, partial(_resampled_f1, counts), head)
            if self.size_bands or self.distance_bands:
                metrics |= self._recalls(records, np.stack([part['bands'] for part in parts]), head)
            if not counts[:, :2].any():
                self.warn('there is no anomalous component; sIoU and F1* are undefined.' + NO_ANOMALY_ADVICE)
        return metrics

    def _recalls(self, records: list[dict], bands: np.ndarray, head: str) -> dict[str, float]:
        """Recall of every band, from found and all components of each image, shape (n, 2, B)."""
        names = self._band_names()
        self.provenance['objects'] = dict(zip(names, bands[:, 1].sum(0).tolist()))

        def recalls(weights: np.ndarray) -> dict[str, np.ndarray]:
            found, pieces = np.moveaxis(np.tensordot(weights, bands, 1), 1, 0)
            return dict(zip(names, 100 * ratio(found, pieces).T))

        whole = recalls(np.ones((1, len(records)), np.int64))
        return {self.key(name, head): value.item() for name, value in whole.items()} | self.intervals(records, recalls, head)

    def _band_names(self) -> list[str]:
        ends = (*(str(edge - 1) for edge in self.size_bands[1:]), '')
        farther = (*(f'{edge:g}' for edge in self.distance_bands[1:]), '')
        return [*(f'recall.{low}-{high}' for low, high in zip(self.size_bands, ends)),
                *(f'recall.{low:g}-{high}m' for low, high in zip(self.distance_bands, farther))]

    def _oracle(self, head: str, records: list[dict]) -> tuple[float, dict[str, float]]:
        """Threshold of the best pixel F1, and that F1, with its bound where cells of scores may hide something."""
        if self.protocol in TRACKS:
            best, threshold = best_binned_f1([record['bins'][head] for record in records])
            return threshold, dict(threshold_F1=best)
        ranked = self.histograms[head].ranked()
        pixels = ranked.positives, ranked.negatives
        best, index = best_f1(*pixels)
        bound = 0. if ranked.exact else best_f1_bound(*pixels)
        threshold = _just_below(ranked.thresholds[index]) if ranked.positives.any() else float('inf')
        return threshold, dict(threshold_F1=best, threshold_F1_bound=bound)

    @staticmethod
    def _files(record: dict) -> dict[str, str]:
        """Where the scores of every head wait."""
        return {head: f'{record["file"]}_{number}.npy' for number, head in enumerate(record['heads'])}

    def _spilled(self, record: dict, heads: dict[str, tuple[float, dict]]) -> dict[str, dict[str, np.ndarray]]:
        """What every head found in one image that waited for the thresholds."""
        true = self._true_components(np.load(f'{record["file"]}_labels.npy', allow_pickle=False))
        files = self._files(record)
        return _by_head(lambda head: self._compare(true, np.load(files[head], allow_pickle=False), heads[head][0],
                                                   record['distances']), heads)


def _by_head(measure: Callable[[str], Any], heads: Iterable[str]) -> dict[str, Any]:
    """What is measured of each head, at the same time for as many as torch has threads."""
    heads = list(heads)
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return dict(zip(heads, pool.map(measure, heads)))


def _just_below(threshold: float) -> float:
    """Largest float32 number below a threshold: what is above it is at least the threshold."""
    return float(np.nextafter(np.float32(threshold), np.float32(-np.inf)))


def _given_thresholds(path: str | Path) -> dict[str, float]:
    """Thresholds of an earlier run of this metric, or of one that takes scores equal to its threshold as well."""
    try:
        return read_thresholds(path, ('threshold', ), '|'.join(('pooled', *TRACKS)))
    except ThresholdError:
        return {head: _just_below(value) for head, value in read_thresholds(path).items()}


def _resampled_f1(counts: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    return {'F1*': 100 * mean_component_f1(np.tensordot(weights, counts, 1))}

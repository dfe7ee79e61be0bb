"""Base of all evaluators: what one image leaves behind, and how several processes become one."""
from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from mmengine.dist import all_gather_object, all_reduce, get_rank, get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor

from mmseg_uncertainty.functional import device_counts
from mmseg_uncertainty.functional.bootstrap import percentile_interval, resample_clusters
from mmseg_uncertainty.functional.score_histogram import NonFiniteScoreError, ScoreHistogram, SpilledScores
from mmseg_uncertainty.runtime.freed_memory import FreedMemory

from .metric_table import metric_table
from .pending_records import Later, PendingRecords
from .sample_fields import check_scores, class_labels, merge_classes

CHUNK = 100
UNITS = ('scene', 'image')
FEW_SCENES = 10

METRICS_BY_LABEL_KIND = {
    'anomaly': ('mFishy', 'components', 'bravo', 'decisions'),
    'classes': ('mIoU', 'mFscore', 'macroF1', 'oIoU', 'IDM', 'ECE', 'OOD-local', 'coverage', 'bravo', 'decisions'),
}


class StreamingMetric(BaseMetric):
    """Evaluate image by image: a large state that merges by addition, and one small record per image.

    Subclasses measure one image at a time in :meth:`measure`, keep mergeable int64 tensors in :attr:`state`, and turn
    state and records into numbers in :meth:`summarize`. Records are sorted by image before they are summarized, so
    neither the order of the images nor the batch size nor the number of processes changes a result.

    On an accelerator nothing is read back image by image: records may hold tensors and :class:`Later`, which come to
    the host together for many images. An image that does not fit is therefore named up to 32 images late there.

    An image that one process sees again is left out with a warning. A sampler that pads gives the first images to the
    last processes once more, at the very end; of several processes each therefore measures an image when the next one
    comes, and its last one only if no other process has it. Images that come twice in other ways are an error, since
    their pixels cannot be taken back out of a merged state.

    Frames of a scene are near copies, so intervals come from resampling scenes where the samples name them (``scene``, or
    else ``sequence``), which the provenance says. A single scene tells nothing of others; its intervals are NaN.

    Args:
        protocol: How numbers are computed; part of every key. See the subclass.
        resamples: Resamples of the scenes or images for the 95 % intervals; 0 for none.
        seed: Seed of the resampling.
        resample_by: ``'scene'`` resamples scenes where they are known, ``'image'`` always images.
        plot_dir: Folder for plots; none are drawn when omitted.
        collect_device: See :class:`mmengine.evaluator.BaseMetric`.
        prefix: See :class:`mmengine.evaluator.BaseMetric`.

    Attributes:
        state: Tensors to be summed over processes, by name.
        histograms: Histograms to be merged over processes, by name.
        measured: Images that this process has measured.
        provenance: After evaluation: protocol, images, pixels, share of void pixels, what was resampled, seed.
    """

    default_prefix = ''
    eval_name: ClassVar[str]
    label_kind: ClassVar[str | None] = 'classes'
    protocols: ClassVar[tuple[str, ...]] = ('pooled', )

    def __init__(self,
                 protocol: str = 'pooled',
                 resamples: int = 1000,
                 seed: int = 0,
                 resample_by: str = 'scene',
                 plot_dir: str | None = None,
                 collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if protocol not in self.protocols:
            raise ValueError(f'{self.eval_name}: protocol={protocol!r} is unknown; choose from {self.protocols}.')
        if resample_by not in UNITS:
            raise ValueError(f'{self.eval_name}: resample_by={resample_by!r} is unknown; choose from {UNITS}.')
        self.protocol = protocol
        self.resample_by = resample_by
        self.resamples = resamples
        self.seed = seed
        self.plot_dir = plot_dir
        self.provenance: dict = {}
        self.reset()

    @BaseMetric.dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        """Set the dataset's meta information.

        Raises:
            ValueError: If the labels of the dataset are not of the kind this metric needs.
        """
        kind = dataset_meta.get('label_kind', 'classes')
        if self.label_kind is not None and kind != self.label_kind:
            able = ', '.join(METRICS_BY_LABEL_KIND.get(kind, ()))
            raise ValueError(f'--eval {self.eval_name} needs {self.label_kind} labels, but this dataset has {kind} '
                             f'labels (label_kind of its METAINFO). With {kind} labels choose from: {able}.')
        self._dataset_meta = dataset_meta

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes of the dataset."""
        return (self.dataset_meta or {}).get('classes', ())

    @property
    def dataset_name(self) -> str:
        """What messages call the dataset."""
        return (self.dataset_meta or {}).get('dataset_name', 'the dataset')

    def class_labels(self, sample: dict) -> Tensor:
        """Checked class labels, shape (H, W); the dataset's ``novel_labels`` count as void."""
        return class_labels(sample, len(self.classes), (self.dataset_meta or {}).get('novel_labels', ()), self.check)

    def reset(self) -> None:
        """Forget all images."""
        self.results.clear()
        self.state: dict[str, Tensor] = {}
        self.histograms: dict[str, ScoreHistogram] = {}
        self.measured = 0
        self._held: list[dict] = []
        self._seen: set[str] = set()
        self.test_time_views = ''
        self._checks: list[Later] = []
        self._pending = PendingRecords()
        self._freed_memory = FreedMemory()

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Measure every image of a batch; see :class:`mmengine.evaluator.BaseMetric`."""
        for sample in data_samples:
            path = str(sample['img_path'])
            if path in self._seen:
                print_log(f'{self.eval_name}: {path} came twice; it is counted once.', 'current', logging.WARNING)
                continue
            self._seen.add(path)
            self.test_time_views = sample.get('test_time_views') or ''
            self._held.append(sample)
            while len(self._held) > (get_world_size() > 1):
                self._measure(self._held.pop(0))

    def _measure(self, sample: dict) -> None:
        place = sample.get('scene', sample.get('sequence'))
        groups = (self.dataset_meta or {}).get('class_groups')
        self._checks = []
        record = self.measure(sample if groups is None else merge_classes(sample, groups))
        path = str(sample['img_path'])
        self._keep(self._pending.add(dict(checks=self._checks, path=path, scene=place, **record)))
        self.measured += 1
        self._freed_memory.after(record['pixels'])

    def evaluate(self, size: int) -> dict:
        """Merge all processes and compute every number; see :class:`mmengine.evaluator.BaseMetric`.

        Raises:
            ValueError: If two processes have measured the same image.
        """
        several = get_world_size() > 1
        if several:
            self._drop_padding()
        for sample in self._held:
            self._measure(sample)
        self._keep(self._pending.collect())
        self.state = {key: part.cpu() for key, part in self.state.items()}
        if several:
            self.merge_processes()
        metrics = super().evaluate(size)
        self.reset()
        return metrics

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Compute every number from the records of all images; see :meth:`summarize`."""
        records = sorted(results, key=lambda record: record['path'])
        if not records:
            return {}
        self.provenance = self._provenance(records)
        values = {key: float(value) for key, value in self.summarize(records).items()}
        print_log(f'{self.eval_name} on {self.dataset_name}\n{metric_table(values)}', 'current')
        return values

    @abstractmethod
    def measure(self, sample: dict) -> dict:
        """Add one image to :attr:`state`; returns its record, with ``pixels`` and ``void`` counted.

        Tensors and :class:`Later` in the record become arrays and numbers by themselves, later for those on a device.
        """

    def check(self, found: Tensor, error: Callable[..., Exception]) -> None:
        """Refuse the image that is being measured if the first of ``found`` is not zero; on a device with its record.

        Args:
            found: Shape (n,), int64.
            error: Takes all numbers of ``found``; must not hold the maps of the image.

        Raises:
            Exception: ``error(*found)``.
        """
        if device_counts.on_host(found):
            _raise_if(error, found.numpy())
        else:
            self._checks.append(Later(found, partial(_raise_if, error)))

    def count_scores(self, store: ScoreHistogram | SpilledScores, sample: dict, head: str, scores: Tensor,
                     groups: Tensor) -> None:
        """Add the scores of a head to a histogram; see :meth:`ScoreHistogram.update`.

        Raises:
            SampleError: If a counted score is NaN or infinite; see :meth:`check`.
        """
        refused = False
        try:
            store.update(scores, groups)
        except NonFiniteScoreError:
            refused = True
        if refused or not device_counts.on_host(scores):
            check_scores(sample, head, scores, (groups >= 0) & (groups < store.groups), self.check)

    @abstractmethod
    def summarize(self, records: list[dict]) -> dict[str, float]:
        """Compute every number from :attr:`state` and the records of all images, sorted by image."""

    def merge_processes(self) -> None:
        """Sum :attr:`state` and :attr:`histograms` over all processes; one that saw no image takes part with zeros."""
        layouts = all_gather_object({key: (tuple(part.shape), part.dtype) for key, part in self.state.items()})
        known = {key: layout for layouts_of_rank in layouts for key, layout in layouts_of_rank.items()}
        for key, (shape, dtype) in sorted(known.items()):
            part = self.state.setdefault(key, torch.zeros(shape, dtype=dtype))
            all_reduce(part)
        covers = all_gather_object({name: (part.groups, part.bits, part.pages.cpu().numpy())
                                    for name, part in self.histograms.items()})
        for name in sorted(set().union(*covers)):
            shapes = [covers_of_rank[name] for covers_of_rank in covers if name in covers_of_rank]
            pages = np.logical_or.reduce([part for *_, part in shapes])
            empty = ScoreHistogram(*shapes[0][:2], page_bits=pages.size.bit_length() - 1)
            histogram = self.histograms.setdefault(name, empty).to('cpu')
            histogram.cover(torch.from_numpy(pages))
            all_reduce(histogram.counts)

    def key(self, name: str, head: str | None = None) -> str:
        """``<head>/<name>[<protocol>]``; the protocol names the test-time augmentation of the predictions, if any."""
        protocol = f'{self.protocol}, {self.test_time_views}' if self.test_time_views else self.protocol
        return f'{head}/{name}[{protocol}]' if head else f'{name}[{protocol}]'

    def interval(self, name: str, values: np.ndarray, head: str | None = None) -> dict[str, float]:
        """The 95 % interval of resampled ``values``, under ``<name>_low`` and ``<name>_high``."""
        bounds = percentile_interval(values)
        return {self.key(f'{name}_{side}', head): bound for side, bound in zip(('low', 'high'), bounds)}

    def intervals(self, records: list[dict], statistics: Callable[[np.ndarray], dict[str, np.ndarray]],
                  head: str | None = None) -> dict[str, float]:
        """The 95 % intervals of numbers that follow from how often each record counts; none without resamples.

        Args:
            records: What is resampled.
            statistics: Takes occurrences of the records, shape (R, n), and returns numbers of shape (R,) by name.
            head: Part of the keys.
        """
        if not self.resamples:
            return {}
        if not self.spreads(records):
            return self.undefined(statistics(np.ones((1, len(records)), np.int64)), head)
        weights = self.weights(records)
        parts = [statistics(weights[start:start + CHUNK]) for start in range(0, len(weights), CHUNK)]
        metrics = {}
        for name in parts[0]:
            metrics |= self.interval(name, np.concatenate([part[name] for part in parts]), head)
        return metrics

    def undefined(self, names: Iterable[str], head: str | None = None) -> dict[str, float]:
        """Intervals that are NaN."""
        return {key: bound for name in names for key, bound in self.interval(name, np.empty(0), head).items()}

    def weights(self, records: list[dict]) -> np.ndarray:
        """Occurrences of the records in the resamples, shape (R, n), int64."""
        return resample_clusters(self.units(records), self.resamples, self.seed)

    def spreads(self, records: list[dict]) -> bool:
        """Whether the records are of two scenes or images at least; fewer tell no spread."""
        return len(set(self.units(records))) > 1

    def units(self, records: list[dict]) -> list[str]:
        """Name of what each record is resampled with: its scene, or the image itself."""
        by_image = self.resample_by == 'image'
        return [f'image {record["path"]}' if by_image or record['scene'] is None else f'scene {record["scene"]}'
                for record in records]

    def warn(self, message: str) -> None:
        """Log a warning that names metric and dataset."""
        print_log(f'{self.eval_name} on {self.dataset_name}: {message}', 'current', logging.WARNING)

    def _keep(self, records: list[dict]) -> None:
        for record in records:
            del record['checks']
        self.results += records

    def _drop_padding(self) -> None:
        """Forget what a padding sampler gave to this process although another one has it.

        Raises:
            ValueError: If two processes have measured the same image.
        """
        held = {str(sample['img_path']) for sample in self._held}
        everywhere = all_gather_object((sorted(self._seen - held), sorted(held)))
        measured = [path for paths, _ in everywhere for path in paths]
        repeated = sorted(path for path, count in zip(*np.unique(measured, return_counts=True)) if count > 1)
        if repeated:
            raise ValueError(f'{self.eval_name}: {len(repeated)} images were measured by two processes, the first is '
                             f'{repeated[0]}. Each must come once; set '
                             "test_dataloader.sampler=dict(type='DefaultSampler', shuffle=False, round_up=False), or test "
                             'with one process.')
        taken = set(measured).union(*(paths for _, paths in everywhere[:get_rank()]))
        self._held = [sample for sample in self._held if str(sample['img_path']) not in taken]

    def _provenance(self, records: list[dict]) -> dict:
        pixels, void = (sum(record.get(name, 0) for record in records) for name in ('pixels', 'void'))
        units = set(self.units(records))
        scenes = sum(unit.startswith('scene') for unit in units)
        resampled = dict(unit='scenes' if scenes else 'images', count=len(units)) if self.resamples else None
        if self.resamples and len(units) < min(FEW_SCENES, len(records)):
            self.warn(f'all {len(records)} images lie in {len(units)} scenes; intervals '
                      + ('are undefined (NaN).' if len(units) < 2 else 'from so few are too narrow and coarse.'))
        return dict(
            evaluator=self.eval_name, protocol=self.protocol, images=len(records), pixels=pixels,
            void_share=void / pixels if pixels else 0., resamples=self.resamples, resampled=resampled, seed=self.seed)


def _raise_if(error: Callable[..., Exception], found: np.ndarray) -> None:
    if found[0]:
        raise error(*found.tolist())

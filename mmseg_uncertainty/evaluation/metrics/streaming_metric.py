"""Base of all evaluators: what one image leaves behind, and how several processes become one."""
from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from mmengine.dist import all_gather_object, all_reduce, get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from prettytable import PrettyTable
from torch import Tensor

from mmseg_uncertainty.functional import device_counts
from mmseg_uncertainty.functional.bootstrap import percentile_interval, resample_images
from mmseg_uncertainty.functional.score_histogram import NonFiniteScoreError, ScoreHistogram, SpilledScores
from mmseg_uncertainty.runtime.freed_memory import FreedMemory

from .pending_records import Later, PendingRecords
from .sample_fields import check_scores, class_labels, merge_classes

METRICS_BY_LABEL_KIND = {
    'anomaly': ('mFishy', 'components'),
    'classes': ('mIoU', 'mFscore', 'macroF1', 'oIoU', 'IDM', 'ECE', 'OOD-local', 'coverage'),
}


class StreamingMetric(BaseMetric):
    """Evaluate image by image: a large state that merges by addition, and one small record per image.

    Subclasses measure one image at a time in :meth:`measure`, keep mergeable int64 tensors in :attr:`state`, and turn
    state and records into numbers in :meth:`summarize`. Records are sorted by image before they are summarized, so
    neither the order of the images nor the batch size nor the number of processes changes a result.

    On an accelerator nothing is read back image by image: records may hold tensors and :class:`Later`, which come to
    the host together for many images. An image that does not fit is therefore named up to 32 images late there.

    A sampler that pads would count images twice. An image that one process sees again is left out with a warning; one
    that two processes have seen is an error, since its pixels cannot be taken back out of a merged state.

    Args:
        protocol: How numbers are computed; part of every key. See the subclass.
        resamples: Resamples of the images for the 95 % intervals; 0 for none.
        seed: Seed of the resampling.
        plot_dir: Folder for plots; none are drawn when omitted.
        collect_device: See :class:`mmengine.evaluator.BaseMetric`.
        prefix: See :class:`mmengine.evaluator.BaseMetric`.

    Attributes:
        state: Tensors to be summed over processes, by name.
        provenance: After evaluation: protocol, images, pixels, share of void pixels, seed.
    """

    default_prefix = ''
    eval_name: ClassVar[str]
    label_kind: ClassVar[str | None] = 'classes'
    protocols: ClassVar[tuple[str, ...]] = ('pooled', )

    def __init__(self,
                 protocol: str = 'pooled',
                 resamples: int = 1000,
                 seed: int = 0,
                 plot_dir: str | None = None,
                 collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if protocol not in self.protocols:
            raise ValueError(f'{self.eval_name}: protocol={protocol!r} is unknown; choose from {self.protocols}.')
        self.protocol = protocol
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
            groups = (self.dataset_meta or {}).get('class_groups')
            sample = sample if groups is None else merge_classes(sample, groups)
            self._checks = []
            record = self.measure(sample)
            self._keep(self._pending.add(dict(checks=self._checks, path=path, **record)))
            self._freed_memory.after(record['pixels'])

    def evaluate(self, size: int) -> dict:
        """Merge all processes and compute every number; see :class:`mmengine.evaluator.BaseMetric`.

        Raises:
            RuntimeError: If two processes have seen the same image.
        """
        self._keep(self._pending.collect())
        self.state = {key: part.cpu() for key, part in self.state.items()}
        if get_world_size() > 1:
            self._refuse_repeated_images()
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
        print_log(f'{self.eval_name} on {self.dataset_name}\n{_table(values)}', 'current')
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
        """Sum :attr:`state` over all processes; one that saw no image takes part with zeros."""
        layouts = all_gather_object({key: (tuple(part.shape), part.dtype) for key, part in self.state.items()})
        known = {key: layout for layouts_of_rank in layouts for key, layout in layouts_of_rank.items()}
        for key, (shape, dtype) in sorted(known.items()):
            part = self.state.setdefault(key, torch.zeros(shape, dtype=dtype))
            all_reduce(part)

    def key(self, name: str, head: str | None = None) -> str:
        """``<head>/<name>[<protocol>]``; the protocol names the test-time augmentation of the predictions, if any."""
        protocol = f'{self.protocol}, {self.test_time_views}' if self.test_time_views else self.protocol
        return f'{head}/{name}[{protocol}]' if head else f'{name}[{protocol}]'

    def interval(self, name: str, values: np.ndarray, shift: float = 0., head: str | None = None) -> dict[str, float]:
        """The 95 % interval of resampled ``values``, moved by ``shift``, under ``<name>_low`` and ``<name>_high``."""
        bounds = percentile_interval(np.asarray(values) + shift)
        return {self.key(f'{name}_{side}', head): bound for side, bound in zip(('low', 'high'), bounds)}

    def weights(self, images: int, seed: int | None = None) -> Iterator[np.ndarray]:
        """Occurrences of the images in the resamples, in chunks of shape (<= 100, images)."""
        seed = self.seed if seed is None else seed
        weights = resample_images(images, self.resamples, seed) if self.resamples else np.empty((0, images))
        return (weights[start:start + 100] for start in range(0, len(weights), 100))

    def warn(self, message: str) -> None:
        """Log a warning that names metric and dataset."""
        print_log(f'{self.eval_name} on {self.dataset_name}: {message}', 'current', logging.WARNING)

    def _keep(self, records: list[dict]) -> None:
        for record in records:
            del record['checks']
        self.results += records

    def _refuse_repeated_images(self) -> None:
        paths = [path for seen in all_gather_object(sorted(self._seen)) for path in seen]
        repeated = sorted(path for path, count in zip(*np.unique(paths, return_counts=True)) if count > 1)
        if repeated:
            raise RuntimeError(f'{self.eval_name}: {len(repeated)} images were evaluated by two processes, the first '
                               f'is {repeated[0]}. The sampler pads the dataset; set '
                               "test_dataloader.sampler=dict(type='DefaultSampler', shuffle=False, round_up=False).")

    def _provenance(self, records: list[dict]) -> dict:
        pixels, void = (sum(record.get(name, 0) for record in records) for name in ('pixels', 'void'))
        return dict(
            evaluator=self.eval_name, protocol=self.protocol, images=len(records), pixels=pixels,
            void_share=void / pixels if pixels else 0., resamples=self.resamples, seed=self.seed)


def _raise_if(error: Callable[..., Exception], found: np.ndarray) -> None:
    if found[0]:
        raise error(*found.tolist())


def _table(values: dict[str, float]) -> str:
    rows: dict[str, dict[str, float]] = {}
    for key, value in values.items():
        head, _, name = key.rpartition('/')
        rows.setdefault(head, {})[name] = value
    names = [name for name in dict.fromkeys(name for row in rows.values() for name in row)
             if not name.split('[')[0].endswith(('_low', '_high', '_bound'))]
    table = PrettyTable(['head', *names])
    table.add_rows([[head or '-', *(f'{row[name]:.4g}' if name in row else '' for name in names)]
                    for head, row in rows.items()])
    return table.get_string()

"""Distance to the nearest neighbours in a bounded memory bank."""
from __future__ import annotations

import hashlib

import torch
from mmengine.dist import all_gather
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.functional.compiled import is_compiling
from mmseg_uncertainty.functional.feature_distances import (group_centres, grouped_neighbour_distance, nearest_centre,
                                                            nearest_neighbour_distance)
from mmseg_uncertainty.structures import GridOutputs, MethodInfo

from .feature_score_head import FeatureScoreHead


@MODELS.register_module()
class NearestNeighborHead(FeatureScoreHead):
    """Score by the distance to the k-th nearest of a random sample of calibration features, equally many per class.

    Every pixel draws a priority from its image's path and its position; each class keeps the pixels of lowest priority.
    So the sample is uniform within a class and does not depend on the order of the images, the batches or the processes.

    Args:
        num_classes: Classes K of the base model.
        per_class: Entries of the memory bank per class.
        neighbor: k.
        average: Whether the mean distance to the k nearest is taken in place of that to the k-th.
        normalize: Whether features are scaled to unit length.
        groups: Groups of near entries into which a fitted bank is sorted, so that only the nearest are searched; ``None`` searches
            all.
        probes: Groups that are searched for each feature; as many as ``groups`` search all, as exported models must.
        options: Further options of :class:`FeatureScoreHead`.

    Raises:
        ValueError: ``neighbor`` or ``probes`` is out of range.
    """

    info = MethodInfo(
        'Out-of-Distribution Detection with Deep Nearest Neighbors', 'Sun et al.', 2022,
        needs={'features'}, fitted=True,
        venue='ICML', url='https://arxiv.org/abs/2204.06507', meaning='more unusual features')

    def __init__(self, num_classes: int, per_class: int = 256, neighbor: int = 5, average: bool = False,
                 normalize: bool = True, groups: int | None = None, probes: int = 2, **options) -> None:
        self.groups, self.probes = groups, probes
        self.per_class, self.neighbor, self.average, self.normalize = per_class, neighbor, average, normalize
        if not 0 < neighbor <= per_class:
            raise ValueError(f'NearestNeighborHead: neighbor={neighbor} must lie between 1 and per_class={per_class}.')
        if groups is not None and not 0 < probes <= groups:
            raise ValueError(f'NearestNeighborHead: probes={probes} must lie between 1 and groups={groups}.')
        super().__init__(num_classes, **options)

    def allocate(self, channels: int) -> None:
        """Register the bank; see :meth:`FeatureScoreHead.allocate`."""
        self.register_buffer('bank', torch.zeros(self.num_classes, self.per_class, channels))
        self.register_buffer('priority', torch.full((self.num_classes, self.per_class), torch.inf, dtype=torch.float64))
        if self.groups is not None:
            self.register_buffer('centres', torch.zeros(self.groups, channels))
            self.register_buffer('ends', torch.zeros(self.groups + 1, dtype=torch.int64))

    def start_stage(self, stage: int) -> None:
        """Forget an earlier fit."""
        self.priority.fill_(torch.inf)

    def add(self, features: Tensor, labels: Tensor, cells: GridOutputs, metas: list[dict]) -> None:
        """Offer features to the bank; see :meth:`FeatureScoreHead.add`."""
        features = F.normalize(features, dim=-1) if self.normalize else features
        for image, image_labels, meta in zip(features, labels, metas):
            priority = _priorities(meta, image_labels)
            for k in image_labels.unique().tolist():
                if 0 <= k < self.num_classes:
                    self._keep_lowest(k, image[image_labels == k], priority[image_labels == k])

    def _keep_lowest(self, k: int, entries: Tensor, priority: Tensor) -> None:
        all_priorities = torch.cat([self.priority[k], priority])
        lowest = all_priorities.topk(self.per_class, largest=False).indices
        self.bank[k] = torch.cat([self.bank[k], entries.to(self.bank)])[lowest]
        self.priority[k] = all_priorities[lowest]

    def merge_ranks(self) -> None:
        """Keep the lowest priorities over all processes."""
        banks, priorities = all_gather(self.bank.clone()), all_gather(self.priority.clone())
        self.priority.fill_(torch.inf)
        for bank, priority in zip(banks, priorities):
            for k in range(self.num_classes):
                self._keep_lowest(k, bank[k], priority[k])

    def finish_stage(self, stage: int) -> None:
        """Check that there are enough neighbours, and sort them into groups.

        Raises:
            ValueError: The calibration set has fewer labelled pixels than ``neighbor`` or ``groups``.
        """
        filled = int(self.priority.isfinite().sum())
        for option, least in (('neighbor', self.neighbor), ('groups', self.groups or 0)):
            if filled < least:
                raise ValueError(f'NearestNeighborHead: the calibration set yields {filled} labelled features, fewer than '
                                 f'{option}={least}. Check its labels, or lower {option}.')
        if self.groups is not None:
            self._sort_into_groups()
        self.fitted.fill_(True)

    def _sort_into_groups(self) -> None:
        bank, priority = self.bank.flatten(0, 1), self.priority.flatten()
        filled = priority.isfinite()
        self.centres.copy_(group_centres(bank[filled], self.groups))
        group = nearest_centre(bank, self.centres).masked_fill(~filled, self.groups)
        order = group.argsort(stable=True)
        self.bank.copy_(bank[order].view_as(self.bank))
        self.priority.copy_(priority[order].view_as(self.priority))
        self.ends[1:] = torch.bincount(group, minlength=self.groups + 1)[:-1].cumsum(dim=0)

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Distance, in [0, 2] between unit vectors; see :meth:`ScoreHead.score`.

        Raises:
            ValueError: Some of the groups are searched, and the model is being exported.
        """
        self.check_fitted()
        bank = self.bank.flatten(0, 1)
        if self.groups is not None and self.probes < self.groups:
            if is_compiling() or torch.jit.is_tracing():
                raise ValueError(f'NearestNeighborHead: a search in probes={self.probes} of groups={self.groups} cannot be '
                                 f'exported. Set probes={self.groups}, which searches all entries and needs no other fit.')
            return grouped_neighbour_distance(features, bank, self.ends.tolist(), self.centres, self.neighbor, self.probes,
                                              self.normalize, self.average)
        return nearest_neighbour_distance(features, bank, self.priority.isfinite().flatten(),
                                          self.neighbor, self.normalize, self.average)


def _priorities(meta: dict, labels: Tensor) -> Tensor:
    digest = hashlib.sha256(str(meta.get('img_path', '')).encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], 'big'))
    return torch.rand(labels.shape, generator=generator, dtype=torch.float64).to(labels.device)

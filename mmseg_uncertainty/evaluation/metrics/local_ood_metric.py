"""``--eval OOD-local``: detection of listed novel classes at pixel level."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.registry import METRICS
from torch import Tensor

from mmseg_uncertainty.functional.label_space import equals_any
from mmseg_uncertainty.label_values import VOID

from .pixel_ranking_metric import PixelRankingMetric
from .sample_fields import label_map


@METRICS.register_module()
class LocalOODMetric(PixelRankingMetric):
    """How well every head ranks pixels of novel classes above pixels of the classes of the model; the rest is left out.

    Keys as in :class:`PixelRankingMetric`, each prefixed with ``OOD-local_``. The labels must keep novel classes apart
    from void, under numbers of their own; their list is an option or ``novel_labels`` in the METAINFO of the dataset.

    Args:
        novel_labels: Label values of the novel classes; the dataset's when omitted.
        options: See :class:`PixelRankingMetric`.
    """

    eval_name = 'OOD-local'
    key_prefix = 'OOD-local_'
    protocols = ('pooled', 'per_image')
    positive_name = 'pixels of novel classes'

    def __init__(self, novel_labels: Sequence[int] | None = None, **options) -> None:
        self.novel_labels = None if novel_labels is None else tuple(novel_labels)
        super().__init__(**options)

    @PixelRankingMetric.dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        """Set the dataset's meta information.

        Raises:
            ValueError: If neither the metric nor the dataset lists novel classes.
        """
        PixelRankingMetric.dataset_meta.fset(self, dataset_meta)
        self._novel = self.novel_labels or tuple(dataset_meta.get('novel_labels', ()))
        known = [value for value in self._novel if value < len(self.classes) or value == VOID]
        if not self._novel or known:
            problem = f'{known} are classes of the model or void' if known else 'no novel class is listed'
            raise ValueError(f'OOD-local: {problem}. List label values outside the {len(self.classes)} classes, with '
                             'novel_labels=… of the metric or novel_labels in the METAINFO of the dataset.')

    def pixel_groups(self, sample: dict) -> Tensor:
        """1 on novel classes, 0 on classes of the model, 255 elsewhere; shape (H, W), uint8."""
        labels = label_map(sample)
        groups = torch.full_like(labels, VOID, dtype=torch.uint8)
        groups.masked_fill_((labels >= 0) & (labels < len(self.classes)), 0)
        return groups.masked_fill_(equals_any(labels, self._novel), 1)

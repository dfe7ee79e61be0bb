"""``--eval IDM``: in-distribution misclassification detection."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from mmseg.registry import METRICS
from torch import Tensor

from mmseg_uncertainty.functional import risk_coverage
from mmseg_uncertainty.label_values import VOID

from .pixel_ranking_metric import PixelRankingMetric, Statistic, percent
from .sample_fields import predicted_classes


@METRICS.register_module()
class MisclassificationMetric(PixelRankingMetric):
    """How well every head ranks misclassified pixels above correct ones; void pixels are left out.

    Beyond the keys of :class:`PixelRankingMetric`, each prefixed with ``IDM_``: ``AURC`` and ``AUGRC`` in percent of error,
    ``risk@coverage`` and ``coverage@risk`` in percent, ``PRR``, the prediction rejection ratio in percent, and ``AP_success``, the
    average precision of right pixels ranked by certainty in percent, where ``AP`` is that of wrong ones (AP-error).

    ``protocol='published'`` averages AUROC, the precision-recall trapezoid (as AP), the interpolated FPR95 and the
    threshold of the best F1 over images, as the released FlowEneDet code does (its ``mOurs``), and adds ``PRR`` with
    the unit slip of the released RELIS code, per image too.

    Args:
        coverages: Coverages in (0, 1] at which the risk is reported.
        risks: Risks in [0, 1) at which the coverage is reported.
        options: See :class:`PixelRankingMetric`.
    """

    eval_name = 'IDM'
    key_prefix = 'IDM_'
    positive_name = 'misclassified pixels'

    def __init__(self, coverages: tuple[float, ...] = (0.8, 0.9, 0.95), risks: tuple[float, ...] = (0.01, 0.05),
                 **options) -> None:
        self.coverages = tuple(coverages)
        self.risks = tuple(risks)
        super().__init__(**options)

    @property
    def by_image(self) -> bool:
        """Whether numbers are computed per image and then averaged."""
        return self.protocol != 'pooled'

    @property
    def statistics(self) -> dict[str, Statistic]:
        """Ranking and selective-prediction statistics, in percent."""
        if self.protocol == 'published':
            return super().statistics | dict(PRR=risk_coverage.published_rejection_ratio)
        return super().statistics | dict(PRR=risk_coverage.prediction_rejection_ratio) | self._selective('')

    @property
    def bounds(self) -> dict[str, Statistic]:
        """What binning may hide of each statistic."""
        if self.protocol == 'published':
            return super().bounds | dict(PRR=risk_coverage.published_rejection_ratio_bound)
        return super().bounds | dict(PRR=risk_coverage.prediction_rejection_ratio_bound) | self._selective('_bound')

    @property
    def shares(self) -> tuple[str, ...]:
        """Coverages count pixels."""
        return tuple(f'coverage@risk{share:g}' for share in self.risks)

    def _selective(self, suffix: str) -> dict[str, Statistic]:
        success, aurc, augrc, risk, coverage = (
            getattr(risk_coverage, name + suffix)
            for name in ('success_precision', 'aurc', 'augrc', 'risk_at_coverage', 'coverage_at_risk'))
        selective = {'AP_success': percent(success), 'AURC': percent(aurc), 'AUGRC': percent(augrc)}
        for share in self.coverages:
            selective[f'risk@coverage{share:g}'] = lambda *counts, at=share: 100 * risk(*counts, at)
        for share in self.risks:
            selective[f'coverage@risk{share:g}'] = lambda *counts, at=share: 100 * coverage(*counts, at)
        return selective

    def pixel_groups(self, sample: dict) -> Tensor:
        """1 where the arg-max is wrong, 0 where it is right, 255 where the label is void; shape (H, W), uint8."""
        labels = self.class_labels(sample)
        wrong = (predicted_classes(sample) != labels).to(torch.uint8)
        return wrong.masked_fill_(labels == VOID, VOID)

    def plot(self, folder: Path, metrics: Mapping[str, float]) -> None:
        """Draw ranking and risk-coverage curves of all heads, with intervals among ``metrics``, into ``folder``."""
        from mmseg_uncertainty.visualization.metric_plots import plot_risk_coverage
        super().plot(folder, metrics)
        heads = list(self.spilled or self.histograms)
        plot_risk_coverage({head: self.ranked(head) for head in heads}, folder / f'{self.eval_name}_risk_coverage.png',
                           f'{self.eval_name} on {self.dataset_name}',
                           {head: list(self._risk_intervals(head, metrics)) for head in heads})

    def _risk_intervals(self, head: str, metrics: Mapping[str, float]) -> Iterator[tuple[float, float, float]]:
        for coverage in self.coverages:
            low, high = (metrics.get(self.key(self.name(f'risk@coverage{coverage:g}{side}'), head)) for side in ('_low', '_high'))
            if low is not None and high is not None:
                yield coverage, low, high

"""Fitted or published class statistics of the largest logit."""
from __future__ import annotations

import torch
from mmengine.dist import all_gather
from torch import Tensor, nn

from mmseg_uncertainty.functional.class_statistics import (PUBLISHED_CLASS_STATISTICS, Moments,
                                                           correct_top_logit_moments)
from mmseg_uncertainty.functional.compiled import is_compiling


class TopLogitStatistics(nn.Module):
    """Mean and variance of the largest logit of every class, where the base model is right.

    Args:
        num_classes: Classes K of the base model.
        source: A key of :data:`~mmseg_uncertainty.functional.class_statistics.PUBLISHED_CLASS_STATISTICS`, a dict with
            ``means`` and ``variances`` of K numbers each, or ``None`` to fit them.

    Raises:
        ValueError: The source is unknown or has another number of classes.
    """

    def __init__(self, num_classes: int, source: str | dict | None = None) -> None:
        super().__init__()
        self.num_classes, self.source = num_classes, source
        means, variances = _constants(source, num_classes) or ([0.0] * num_classes, [1.0] * num_classes)
        self.register_buffer('means', torch.tensor(means))
        self.register_buffer('variances', torch.tensor(variances))
        for name, value in Moments.empty(num_classes)._asdict().items():
            self.register_buffer(name, value)
        self.register_buffer('fitted', torch.tensor(source is not None))

    def reset(self) -> None:
        """Forget what was observed."""
        for name, value in Moments.empty(self.num_classes)._asdict().items():
            getattr(self, name).copy_(value)

    def observe(self, logits: Tensor, labels: Tensor, predicted: Tensor) -> None:
        """Add one batch; logits (N, K, H, W), labels and predicted classes (N, H, W) of the same size."""
        self._store(self._moments().merge(correct_top_logit_moments(logits, labels, predicted)))

    def merge_ranks(self) -> None:
        """Merge what every process observed."""
        moments = Moments.empty(self.num_classes)
        for parts in zip(*(all_gather(values) for values in self._moments())):
            moments = moments.merge(Moments(*parts))
        self._store(moments)

    def finish(self) -> None:
        """Turn what was observed into means and variances; a class never seen gets those of all classes together."""
        means, variances = self._moments().mean_and_variance()
        self.means.copy_(means)
        self.variances.copy_(variances)
        self.fitted.fill_(True)

    def check(self, owner: str) -> None:
        """Raise unless there are statistics to use."""
        if not is_compiling() and not self.fitted:
            raise RuntimeError(f'{owner} has no class statistics yet: fit it with tools/train.py, load a fitted '
                               'checkpoint, or set class_statistics to published constants '
                               f'({", ".join(PUBLISHED_CLASS_STATISTICS)}).')

    def _moments(self) -> Moments:
        return Moments(self.count, self.mean, self.squares)

    def _store(self, moments: Moments) -> None:
        for name, value in moments._asdict().items():
            getattr(self, name).copy_(value)


def _constants(source: str | dict | None, num_classes: int) -> tuple[list[float], list[float]] | None:
    if source is None:
        return None
    if isinstance(source, str):
        if source not in PUBLISHED_CLASS_STATISTICS:
            raise ValueError(f'class_statistics={source!r} is unknown; choose from {tuple(PUBLISHED_CLASS_STATISTICS)}, '
                             'or give a dict with means and variances.')
        means, variances = PUBLISHED_CLASS_STATISTICS[source]
    else:
        means, variances = source['means'], source['variances']
    if not len(means) == len(variances) == num_classes:
        raise ValueError(f'class_statistics={source!r} has {len(means)} means and {len(variances)} variances; the base '
                         f'model has {num_classes} classes.')
    return list(map(float, means)), list(map(float, variances))

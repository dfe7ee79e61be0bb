"""Streaming moments of labelled features, kept in buffers."""
from __future__ import annotations

from functools import reduce

import torch
from mmengine.dist import all_gather
from torch import Tensor, nn

from mmseg_uncertainty.functional.feature_distances import FeatureMoments


class StreamedFeatureMoments(nn.Module):
    """:class:`~mmseg_uncertainty.functional.feature_distances.FeatureMoments` that grow batch by batch; not saved.

    Args:
        num_classes: Classes K.
        channels: Channels C.
    """

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        double = dict(dtype=torch.float64)
        self.register_buffer('count', torch.zeros(num_classes, dtype=torch.int64), persistent=False)
        self.register_buffer('means', torch.zeros(num_classes, channels, **double), persistent=False)
        self.register_buffer('scatter', torch.zeros(channels, channels, **double), persistent=False)

    def reset(self) -> None:
        """Forget what was added."""
        for values in self.moments():
            values.zero_()

    def moments(self) -> FeatureMoments:
        """What was added."""
        return FeatureMoments(self.count, self.means, self.scatter)

    def add(self, features: Tensor, labels: Tensor) -> None:
        """Add features (..., C) with labels (...); labels outside [0, K) do not count.

        Raises:
            ValueError: A labelled feature is NaN or infinite.
        """
        keep = (labels >= 0) & (labels < self.num_classes)
        new = FeatureMoments.of(features[keep], labels[keep], self.num_classes)
        if not new.scatter.isfinite().all():
            raise ValueError('Features of labelled pixels are NaN or infinite; nothing can be fitted on them. Check the '
                             'base model, its checkpoint and mixed precision on the calibration images.')
        self._keep(self.moments().merge(new))

    def merge_ranks(self) -> None:
        """Put together the moments of all processes."""
        parts = [FeatureMoments(*values) for values in zip(*(all_gather(values.clone()) for values in self.moments()))]
        self._keep(reduce(FeatureMoments.merge, parts))

    def _keep(self, moments: FeatureMoments) -> None:
        for values, new in zip(self.moments(), moments):
            values.copy_(new)

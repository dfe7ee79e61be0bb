"""Streaming sums of labelled features, kept in buffers."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from mmseg_uncertainty.functional.feature_distances import FeatureMoments
from mmseg_uncertainty.models.flows.masked_statistics import all_sum


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
        self.register_buffer('sums', torch.zeros(num_classes, channels, **double), persistent=False)
        self.register_buffer('products', torch.zeros(channels, channels, **double), persistent=False)

    def reset(self) -> None:
        """Forget what was added."""
        for values in self.moments():
            values.zero_()

    def moments(self) -> FeatureMoments:
        """What was added."""
        return FeatureMoments(self.count, self.sums, self.products)

    def add(self, features: Tensor, labels: Tensor) -> None:
        """Add features (..., C) with labels (...); labels outside [0, K) do not count."""
        keep = (labels >= 0) & (labels < self.num_classes)
        new = FeatureMoments.of(features[keep], labels[keep], self.num_classes)
        for values, more in zip(self.moments(), new):
            values += more

    def merge_ranks(self) -> None:
        """Sum over all processes."""
        for values in self.moments():
            values.copy_(all_sum(values))

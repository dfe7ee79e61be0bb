"""Base class of scores that follow from the moments of all labelled features."""
from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from mmseg_uncertainty.functional.feature_distances import FeatureMoments
from mmseg_uncertainty.structures import GridOutputs

from .feature_moments import StreamedFeatureMoments
from .feature_score_head import FeatureScoreHead


class MomentHead(FeatureScoreHead):
    """Score features by moments of those of the calibration set.

    Subclasses register their buffers in :meth:`allocate`, after that of this class, and fill them in :meth:`settle`.

    Attributes:
        by_class: Whether means are those of each class.
    """

    by_class = False

    def allocate(self, channels: int) -> None:
        """Register the moments; see :meth:`FeatureScoreHead.allocate`."""
        self.streamed = StreamedFeatureMoments(self.num_classes if self.by_class else 1, channels)

    def prepared(self, features: Tensor) -> Tensor:
        """What of features (..., C) the moments are taken of."""
        return features

    def start_stage(self, stage: int) -> None:
        """Forget an earlier fit."""
        self.streamed.reset()

    def add(self, features: Tensor, labels: Tensor, cells: GridOutputs, metas: list[dict]) -> None:
        """Add to the moments; see :meth:`FeatureScoreHead.add`."""
        known = self.labelled(labels)
        labels = labels[known]
        self.streamed.add(self.prepared(features[known]), labels if self.by_class else labels.new_zeros(labels.shape))

    def merge_ranks(self) -> None:
        """Sum over all processes."""
        self.streamed.merge_ranks()

    def finish_stage(self, stage: int) -> None:
        """Fill the buffers.

        Raises:
            ValueError: No feature lies under a labelled pixel.
        """
        moments = self.streamed.moments()
        self.check_labelled(int(moments.count.sum()))
        self.settle(moments)
        self.fitted.fill_(True)

    @abstractmethod
    def settle(self, moments: FeatureMoments) -> None:
        """Write what :meth:`score` reads."""

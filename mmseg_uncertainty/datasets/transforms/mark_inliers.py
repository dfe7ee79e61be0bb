"""Keeps of labels only that there are some."""
from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_uncertainty.label_values import INLIER, VOID


@TRANSFORMS.register_module()
class MarkInliers(BaseTransform):
    """Label every pixel that has a class as an inlier.

    The classes of another dataset are seldom those of the base model, but its pixels still show what outliers have to be told
    apart from: roads of other countries, other light, other cameras. Comes before ``PasteOutliers``.

    Args:
        inlier_label: Label of the pixels; see ``inlier_label`` of
            :class:`~mmseg_uncertainty.models.losses.FlowEneDetLoss`.
        ignore_index: Label of pixels without a class; they keep it.
    """

    def __init__(self, inlier_label: int = INLIER, ignore_index: int = VOID) -> None:
        self.inlier_label, self.ignore_index = inlier_label, ignore_index

    def transform(self, results: dict) -> dict:
        """Change ``gt_seg_map`` (H, W)."""
        labels = results['gt_seg_map']
        marked = np.where(labels == self.ignore_index, labels, labels.dtype.type(self.inlier_label))
        return results | dict(gt_seg_map=marked)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(inlier_label={self.inlier_label}, ignore_index={self.ignore_index})'

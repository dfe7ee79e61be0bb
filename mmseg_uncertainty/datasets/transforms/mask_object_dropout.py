"""Blanks whole objects."""
from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_uncertainty.label_values import VOID


@TRANSFORMS.register_module()
class MaskObjectDropout(BaseTransform):
    """Blank up to ``max_objects`` random objects, in the image and in the labels.

    An object is a connected region of one class (eight neighbours). Labels of what is blanked become void, so that nothing
    is learned from pixels that show nothing.

    Args:
        max_objects: Most objects to blank; how many is drawn evenly from 1 to this.
        prob: Share of the images that lose objects.
        fill: Value of the blanked pixels, one number or one per channel (BGR).
        label_fill: Label of the blanked pixels.
        ignore_index: Label of pixels that belong to no object.

    Raises:
        ValueError: An option is out of range.
    """

    def __init__(self,
                 max_objects: int = 3,
                 prob: float = 0.5,
                 fill: float | Sequence[float] = 0,
                 label_fill: int = VOID,
                 ignore_index: int = VOID) -> None:
        if max_objects < 1 or not 0 <= prob <= 1:
            raise ValueError(f'MaskObjectDropout: max_objects={max_objects} must be at least 1 and prob={prob} in [0, 1].')
        self.max_objects, self.prob, self.fill = max_objects, prob, fill
        self.label_fill, self.ignore_index = label_fill, ignore_index

    def transform(self, results: dict) -> dict:
        """Change ``img`` (H, W, 3) and ``gt_seg_map`` (H, W) where the draw says so."""
        if np.random.random() >= self.prob:
            return results
        objects, number = connected_objects(results['gt_seg_map'], self.ignore_index)
        if number:
            chosen = np.random.permutation(number)[:np.random.randint(1, self.max_objects + 1)] + 1
            blanked = np.isin(objects, chosen)
            results['img'] = np.where(blanked[..., None], np.asarray(self.fill, results['img'].dtype), results['img'])
            results['gt_seg_map'] = np.where(blanked, results['gt_seg_map'].dtype.type(self.label_fill),
                                             results['gt_seg_map'])
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(max_objects={self.max_objects}, prob={self.prob}, fill={self.fill}, '
                f'label_fill={self.label_fill}, ignore_index={self.ignore_index})')


def connected_objects(labels: np.ndarray, ignore_index: int = VOID) -> tuple[np.ndarray, int]:
    """Number the connected regions of equal label.

    Args:
        labels: Shape (H, W), integers.
        ignore_index: Label of pixels that belong to no object.

    Returns:
        Numbers from 1, 0 where ignored, shape (H, W), int32; and how many objects there are.
    """
    objects, number = np.zeros(labels.shape, np.int32), 0
    for value in np.unique(labels):
        if value != ignore_index:
            found, regions = cv2.connectedComponents((labels == value).astype(np.uint8), connectivity=8)
            objects += np.where(regions > 0, regions + number, 0)
            number += found - 1
    return objects, number

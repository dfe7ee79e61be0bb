"""The loading step of ToyRoads."""
from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_uncertainty.datasets.toy_roads import render_street_scene


@TRANSFORMS.register_module()
class RenderToyRoads(BaseTransform):
    """Render image and labels of a :class:`~mmseg_uncertainty.datasets.ToyRoadsDataset` sample."""

    def transform(self, results: dict) -> dict:
        """Add ``img`` (H, W, 3), uint8, BGR, and ``gt_seg_map`` (H, W), uint8, as loading from files would."""
        image, labels = render_street_scene(**results['render'])
        if results.get('label_map') is not None:
            table = np.arange(256, dtype=np.uint8)
            table[list(results['label_map'])] = list(results['label_map'].values())
            labels = table[labels]
        results['img'] = np.ascontiguousarray(image[..., ::-1])
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        results['gt_seg_map'] = labels
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'

"""Take labels outside of a region of interest away."""
from __future__ import annotations

from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_uncertainty.datasets.image_files import read_labels
from mmseg_uncertainty.label_values import VOID
from mmseg_uncertainty.runtime.dataset_error import DatasetError


@TRANSFORMS.register_module()
class KeepRegion(BaseTransform):
    """Make labels outside of a region void, such as all but the road, or the ego vehicle; comes after the labels are loaded.

    Args:
        mask: An image whose pixels above 0 are the region, for all images, or a folder with one for each, of the same stem.

    Raises:
        DatasetError: A mask is missing, cannot be read, or has another size than the labels.
    """

    def __init__(self, mask: str | Path) -> None:
        self.mask = Path(mask)

    def transform(self, results: dict) -> dict:
        """Change ``gt_seg_map``; a sample without labels passes untouched."""
        if 'gt_seg_map' not in results:
            return results
        path = self._path(results['img_path'])
        inside, labels = read_labels(path) > 0, results['gt_seg_map']
        if inside.shape != labels.shape:
            raise DatasetError(f'{path} is {inside.shape[1]}×{inside.shape[0]}, the labels of {results["img_path"]} are '
                               f'{labels.shape[1]}×{labels.shape[0]}. A region has the size of the labels; put KeepRegion before '
                               'any step that resizes them.')
        results['gt_seg_map'] = np.where(inside, labels, VOID).astype(labels.dtype)
        return results

    def _path(self, image: str) -> Path:
        if not self.mask.is_dir():
            return self.mask
        found = sorted(self.mask.glob(f'{Path(image).stem}.*'))
        if not found:
            raise DatasetError(f'{self.mask} holds no region for {image}; expected {Path(image).stem}.png.')
        return found[0]

    def __repr__(self) -> str:
        return f'{type(self).__name__}(mask={str(self.mask)!r})'

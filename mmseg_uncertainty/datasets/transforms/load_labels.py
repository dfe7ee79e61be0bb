"""Load the label map of an image and check it."""
from __future__ import annotations

from collections.abc import Collection

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_uncertainty.datasets.image_files import check_labels, read_labels
from mmseg_uncertainty.label_values import VOID


@TRANSFORMS.register_module()
class LoadLabels(BaseTransform):
    """Load labels as mmseg's ``LoadAnnotations`` does, and name the file of every fault.

    Checked are the size against ``ori_shape`` of the image, which must be loaded before, and the values. A sample
    without ``seg_map_path`` passes untouched, so that a test pipeline also serves images without labels.

    Args:
        values: Known label values; ``None`` takes them from ``label_values`` of the sample, where the dataset gives
            them.
        backend_args: See :func:`mmengine.fileio.get`.

    Raises:
        DatasetError: If labels are missing, unreadable, of another size than their image or hold unknown values.
    """

    def __init__(self, values: Collection[int] | None = None, backend_args: dict | None = None) -> None:
        self.values = values
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Add ``gt_seg_map``, shape (H, W), uint8."""
        path = results.get('seg_map_path')
        if path is None:
            return results
        labels = read_labels(path, self.backend_args)
        values = results.get('label_values') if self.values is None else self.values
        check_labels(labels, path, results['img_path'], results['ori_shape'], values)
        table = _label_table(results.get('reduce_zero_label', False), results.get('label_map'))
        results['gt_seg_map'] = table[labels]
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(values={self.values}, backend_args={self.backend_args})'


def _label_table(reduce_zero: bool, label_map: dict[int, int] | None) -> np.ndarray:
    table = np.arange(256, dtype=np.uint8)
    if reduce_zero:
        table = np.where((table == 0) | (table == VOID), VOID, table - 1).astype(np.uint8)
    if label_map is None:
        return table
    renamed = np.arange(256, dtype=np.uint8)
    renamed[list(label_map)] = list(label_map.values())
    return renamed[table]

"""Load the two maps of BRAVO and join them."""
from __future__ import annotations

import numpy as np
from mmseg.registry import TRANSFORMS

from mmseg_uncertainty.datasets.image_files import check_labels, read_labels
from mmseg_uncertainty.label_values import OUTLIER, VOID

from .load_labels import LoadLabels


@TRANSFORMS.register_module()
class LoadBravoLabels(LoadLabels):
    """Load train ids as :class:`LoadLabels` does, and apply the map of altered pixels, ``invalid_map_path`` of a sample.

    A sample with ``bravo_labels='classes'`` keeps the class of valid pixels and has 255 where the scene was altered; with
    ``'invalid'`` it has 0 where it was not altered, 1 where it was, and 255 where there is no label; with ``'joint'`` it has the
    class, and 253 where it was altered. A sample without labels passes untouched.

    Raises:
        DatasetError: See :class:`LoadLabels`.
    """

    def transform(self, results: dict) -> dict:
        """Add ``gt_seg_map``, shape (H, W), uint8."""
        results = super().transform(results)
        path = results.get('invalid_map_path')
        if path is None:
            return results
        invalid = read_labels(path, self.backend_args)
        check_labels(invalid, path, results['img_path'], results['ori_shape'])
        labels = results['gt_seg_map']
        if results['bravo_labels'] == 'invalid':
            joined = np.where(labels == VOID, VOID, invalid != 0)
        else:
            altered = VOID if results['bravo_labels'] == 'classes' else np.where(labels == VOID, VOID, OUTLIER)
            joined = np.where(invalid == 0, labels, altered)
        results['gt_seg_map'] = joined.astype(np.uint8)
        return results

"""Labels of which only their presence is kept."""
import numpy as np

from mmseg_uncertainty.datasets import MarkInliers


def test_every_class_becomes_an_inlier_and_void_stays():
    labels = np.array([[0, 6, 255], [3, 255, 1]], np.uint8)
    sample = dict(img=np.zeros((2, 3, 3), np.uint8), gt_seg_map=labels.copy())
    result = MarkInliers().transform(sample)
    np.testing.assert_array_equal(result['gt_seg_map'], [[252, 252, 255], [252, 255, 252]])
    np.testing.assert_array_equal(sample['gt_seg_map'], labels)
    assert result['gt_seg_map'].dtype == np.uint8

"""The loading step of ToyRoads gives what loading from files gives."""
import numpy as np

from mmseg_uncertainty.datasets import RenderToyRoads
from mmseg_uncertainty.datasets.toy_roads import render_street_scene


def test_image_is_bgr_and_labels_are_mapped():
    render = dict(key=[0, 0, 1], size=(48, 64))
    image, labels = render_street_scene(**render)
    results = RenderToyRoads().transform(dict(render=render, label_map={0: 1, 1: 0}))
    assert np.array_equal(results['img'][..., ::-1], image) and results['img'].flags['C_CONTIGUOUS']
    assert np.array_equal(results['gt_seg_map'] == 1, labels == 0)
    assert np.array_equal(results['gt_seg_map'] > 1, labels > 1)
    assert results['ori_shape'] == results['img_shape'] == (48, 64) and results['seg_fields'] == ['gt_seg_map']

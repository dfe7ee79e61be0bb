"""Resizing without the packages of the pipeline is that of the pipeline."""
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import TRANSFORMS

from mmseg_uncertainty.apis.export_pipeline import resize_steps
from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.runtime.resizing import Resizing

STEPS = [
    dict(type='Resize', scale=(64, 48)),
    dict(type='Resize', scale=50, keep_ratio=True),
    dict(type='Resize', scale=(64, 48), keep_ratio=True, interpolation='area'),
    dict(type='Resize', scale_factor=0.37),
    dict(type='Resize', scale_factor=(1.5, 0.7), keep_ratio=True),
    dict(type='Resize', scale=(31, 33), backend='pillow', interpolation='bicubic'),
    dict(type='ResizeShortestEdge', scale=30, max_size=45),
    dict(type='ResizeShortestEdge', scale=(40, 24), max_size=2000),
    dict(type='ResizeToMultiple', size_divisor=16)]


@pytest.mark.parametrize('step', STEPS, ids=str)
def test_steps_are_those_of_the_pipeline(step):
    init_default_scope('mmseg')
    pipeline = [dict(type='LoadImageFromFile'), step, dict(type='PackSegInputs')]
    resizing = Resizing(resize_steps(Config(dict(test_pipeline=pipeline))))
    for size in ((37, 53), (53, 37), (40, 40), (90, 17)):
        image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
        expected = TRANSFORMS.build(dict(step))(dict(img=image, img_shape=size))['img']
        found = resizing(image)
        assert resizing.size(size) == expected.shape[:2]
        np.testing.assert_array_equal(found, expected)


def test_an_image_of_which_nothing_stays_is_named():
    init_default_scope('mmseg')
    resizing = Resizing(resize_steps(Config(dict(test_pipeline=[dict(type='Resize', scale=(8, 8), keep_ratio=True)]))))
    with pytest.raises(DatasetError, match='a.png of 400×1'):
        resizing(np.zeros((1, 400, 3), np.uint8), 'a.png')

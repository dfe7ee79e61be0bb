import cv2
import numpy as np
import pytest

from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.datasets.transforms import KeepRegion


@pytest.fixture
def sample():
    return dict(img_path='street/a.jpg', gt_seg_map=np.arange(12, dtype=np.uint8).reshape(3, 4))


@pytest.fixture
def mask(tmp_path):
    inside = np.zeros((3, 4), np.uint8)
    inside[1:, :2] = 1
    cv2.imwrite(str(tmp_path / 'a.png'), inside)
    return tmp_path / 'a.png'


@pytest.mark.parametrize('of', [lambda path: path, lambda path: path.parent])
def test_labels_outside_are_void(sample, mask, of):
    found = KeepRegion(of(mask))(sample)['gt_seg_map']
    assert found.dtype == np.uint8
    assert found.tolist() == [[255, 255, 255, 255], [4, 5, 255, 255], [8, 9, 255, 255]]


def test_images_without_labels_pass(mask):
    assert KeepRegion(mask)(dict(img_path='a.jpg')) == dict(img_path='a.jpg')


def test_regions_that_do_not_fit_are_named(sample, mask):
    with pytest.raises(DatasetError, match='holds no region for street/b.jpg; expected b.png'):
        KeepRegion(mask.parent)(dict(sample, img_path='street/b.jpg'))
    with pytest.raises(DatasetError, match=r'a.png is 4×3, the labels of street/a.jpg are 2×3'):
        KeepRegion(mask)(dict(sample, gt_seg_map=np.zeros((3, 2), np.uint8)))

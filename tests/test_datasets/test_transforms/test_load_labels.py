"""LoadLabels agrees with mmseg's loader, and refuses what does not fit."""
import cv2
import numpy as np
import pytest
from mmseg.datasets.transforms import LoadAnnotations

from mmseg_uncertainty.datasets import DatasetError, LoadLabels


@pytest.fixture
def sample(tmp_path):
    labels = np.random.default_rng(0).choice([0, 1, 2, 3, 255], (8, 9)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / 'a.png'), labels)
    return dict(img_path='a.jpg', seg_map_path=str(tmp_path / 'a.png'), ori_shape=(8, 9), reduce_zero_label=False)


@pytest.mark.parametrize('reduce_zero', [False, True])
@pytest.mark.parametrize('label_map', [None, {0: 1, 1: 0, 2: 255, 3: 2}])
def test_labels_are_those_of_mmseg(sample, reduce_zero, label_map):
    sample = dict(sample, reduce_zero_label=reduce_zero, label_map=label_map)
    ours, theirs = (load.transform(dict(sample, seg_fields=[])) for load in (LoadLabels(), LoadAnnotations()))
    assert np.array_equal(ours['gt_seg_map'], theirs['gt_seg_map']) and ours['gt_seg_map'].dtype == np.uint8
    assert ours['seg_fields'] == ['gt_seg_map']


def test_label_of_another_size_is_named(sample):
    with pytest.raises(DatasetError, match=r'a\.png is 9×8, its image a\.jpg is 9×7'):
        LoadLabels().transform(dict(sample, ori_shape=(7, 9)))


def test_size_is_checked_against_the_image_before_resizing(sample):
    LoadLabels().transform(dict(sample, img_shape=(16, 18)))


def test_values_of_the_dataset_or_of_the_option_count(sample):
    for load, extra in ((LoadLabels(), dict(label_values=[0, 1, 255])), (LoadLabels(values=[0, 1, 255]), {})):
        with pytest.raises(DatasetError, match=r'holds the label values \[2, 3\]'):
            load.transform(dict(sample, **extra))


def test_images_without_labels_pass():
    assert LoadLabels().transform(dict(img_path='a.jpg')) == dict(img_path='a.jpg')

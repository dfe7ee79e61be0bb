"""Objects that are blanked."""
import numpy as np
import pytest

from mmseg_uncertainty.datasets import MaskObjectDropout
from mmseg_uncertainty.datasets.transforms.mask_object_dropout import connected_objects

LABELS = np.array([[0, 0, 1, 1, 255],
                   [0, 2, 1, 1, 255],
                   [2, 0, 0, 1, 255],
                   [2, 2, 0, 1, 0]], np.uint8)


def sample():
    return dict(img=np.full((4, 5, 3), 200, np.uint8), gt_seg_map=LABELS.copy())


def test_objects_are_regions_of_one_class():
    objects, number = connected_objects(LABELS)
    assert number == len(np.unique(objects)) - 1 == 4
    assert ((objects == 0) == (LABELS == 255)).all()
    for index in range(1, number + 1):
        assert len(np.unique(LABELS[objects == index])) == 1


def test_whole_objects_are_blanked_in_image_and_labels():
    objects, _ = connected_objects(LABELS)
    blanked_numbers = set()
    for seed in range(40):
        np.random.seed(seed)
        results = MaskObjectDropout(max_objects=3, prob=1., fill=[1, 2, 3]).transform(sample())
        blanked = (results['img'] == [1, 2, 3]).all(-1)
        assert blanked.any() and (results['img'][~blanked] == 200).all()
        chosen = np.unique(objects[blanked])
        assert (blanked == np.isin(objects, chosen)).all() and 1 <= len(chosen) <= 3
        assert (results['gt_seg_map'] == np.where(blanked, 255, LABELS)).all()
        assert results['img'].dtype == results['gt_seg_map'].dtype == np.uint8
        blanked_numbers |= set(chosen.tolist())
    assert blanked_numbers == {1, 2, 3, 4}


def test_share_of_images_and_the_seed():
    step = MaskObjectDropout(prob=0.3)
    np.random.seed(0)
    changed = [(step.transform(sample())['gt_seg_map'] != LABELS).any() for _ in range(300)]
    assert 0.2 < np.mean(changed) < 0.4
    np.random.seed(0)
    assert changed == [(step.transform(sample())['gt_seg_map'] != LABELS).any() for _ in range(300)]


def test_nothing_to_blank():
    void = dict(img=np.zeros((2, 2, 3), np.uint8), gt_seg_map=np.full((2, 2), 255, np.uint8))
    assert (MaskObjectDropout(prob=1.).transform(void)['gt_seg_map'] == 255).all()
    with pytest.raises(ValueError, match='max_objects=0'):
        MaskObjectDropout(max_objects=0)

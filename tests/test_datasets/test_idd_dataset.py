"""IDD is read in its layout, and every level-3 id becomes its Cityscapes class."""
import pytest
from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

from mmseg_uncertainty.datasets import IDDDataset
from tests.test_datasets.small_files import write_image, write_labels

MEANING = {
    0: 'road', 1: None, 2: 'sidewalk', 3: None, 4: 'person', 5: 'rider', 6: 'motorcycle', 7: 'bicycle', 8: None, 9: 'car',
    10: 'truck', 11: 'bus', 12: None, 13: None, 14: 'wall', 15: 'fence', 16: None, 17: None, 18: 'traffic sign',
    19: 'traffic light', 20: 'pole', 21: None, 22: 'building', 23: None, 24: 'vegetation', 25: 'sky', 255: None}


@pytest.mark.parametrize('level3', MEANING)
def test_every_id(level3):
    names = CityscapesDataset.METAINFO['classes']
    expected = 255 if MEANING[level3] is None else names.index(MEANING[level3])
    assert IDDDataset.get_label_map()[level3] == expected


def test_the_map_has_no_other_ids():
    assert set(IDDDataset.get_label_map()) == set(MEANING)


def test_files_are_paired_and_translated(tmp_path):
    write_image(tmp_path / 'leftImg8bit/val/9/17_leftImg8bit.png')
    write_labels(tmp_path / 'gtFine/val/9/17_gtFine_labellevel3Ids.png', values=(0, 1, 8, 25, 255))
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadLabels'), dict(type='PackSegInputs')]
    dataset = DATASETS.build(dict(type='IDDDataset', data_root=str(tmp_path), pipeline=pipeline, test_mode=True))
    assert set(dataset[0]['data_samples'].gt_sem_seg.data.unique().tolist()) == {0, 10, 255}

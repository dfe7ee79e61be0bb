"""IDD-lite is read in its layout, and in that of the official download."""
import os
from pathlib import Path

import pytest
from small_files import write_image, write_labels

import mmseg_uncertainty.registered  # noqa: F401
from mmseg_uncertainty.datasets import IDDLiteDataset

PIPELINE = [dict(type='mmseg.LoadImageFromFile'), dict(type='mmseg.LoadLabels'), dict(type='mmseg.PackSegInputs')]
DATA_ROOT = Path(os.environ.get('DATA_ROOT', 'data'))


def test_labels_from_0_to_6(tmp_path):
    write_image(tmp_path / 'images/val/1_2.jpg')
    write_labels(tmp_path / 'labels/val/1_2.png', values=(*range(7), 255))
    dataset = IDDLiteDataset(data_root=str(tmp_path), split='val', pipeline=PIPELINE, test_mode=True)
    assert set(dataset[0]['data_samples'].gt_sem_seg.data.unique().tolist()) == {*range(7), 255}


def test_official_download(tmp_path):
    write_image(tmp_path / 'leftImg8bit/val/9/17_image.jpg')
    write_labels(tmp_path / 'gtFine/val/9/17_label.png', values=(0, 6))
    prefix = dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val')
    assert len(IDDLiteDataset(data_root=str(tmp_path), data_prefix=prefix)) == 1


@pytest.mark.parametrize('split, images', [('train', 1403), ('val', 204)])
def test_real_data(split, images):
    root = DATA_ROOT / 'idd_lite'
    if not root.is_dir():
        pytest.skip(f'{root} is not there; set DATA_ROOT to the folder of the real data')
    dataset = IDDLiteDataset(data_root=str(root), split=split, pipeline=PIPELINE, test_mode=True)
    assert len(dataset) == images and dataset[0]['inputs'].shape == (3, 227, 320)

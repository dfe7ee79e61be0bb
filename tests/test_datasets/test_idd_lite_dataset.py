"""IDD-lite is read in its layout, and in that of the official download."""
import pytest
from mmseg.registry import DATASETS

import mmseg_uncertainty.registered  # noqa: F401
from tests.test_datasets.small_files import write_image, write_labels

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadLabels'), dict(type='PackSegInputs')]


def build(root, **options):
    config = dict(type='IDDLiteDataset', data_root=str(root), pipeline=PIPELINE, test_mode=True, _scope_='mmseg')
    return DATASETS.build({**config, **options})


def test_labels_from_0_to_6(tmp_path):
    write_image(tmp_path / 'images/val/1_2.jpg')
    write_labels(tmp_path / 'labels/val/1_2.png', values=(*range(7), 255))
    dataset = build(tmp_path, split='val')
    assert set(dataset[0]['data_samples'].gt_sem_seg.data.unique().tolist()) == {*range(7), 255}


def test_official_download(tmp_path):
    write_image(tmp_path / 'leftImg8bit/val/9/17_image.jpg')
    write_labels(tmp_path / 'gtFine/val/9/17_label.png', values=(0, 6))
    prefix = dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val')
    assert len(build(tmp_path, data_prefix=prefix)) == 1


@pytest.mark.parametrize('split, images', [('train', 1403), ('val', 204)])
def test_real_data(data_root, split, images):
    dataset = build(data_root / 'idd_lite', split=split)
    assert len(dataset) == images and dataset[0]['inputs'].shape == (3, 227, 320)

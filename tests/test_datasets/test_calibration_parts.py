"""Datasets that are divided for calibration, in the layouts of their downloads."""
from pathlib import Path

import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS

from mmseg_uncertainty.datasets import COCOCategoryDataset
from tests.test_datasets.small_files import write_image, write_labels

DATASET_CONFIGS = Path(__file__).resolve().parents[2] / 'local_configs/_base_/datasets'


def ade20k(root):
    for number in range(20):
        write_image(root / f'ADEChallengeData2016/images/validation/ADE_val_{number:08d}.jpg', seed=number)
        write_labels(root / f'ADEChallengeData2016/annotations/validation/ADE_val_{number:08d}.png', values=(0, 1, 150))
    return {0, 149, 255}


def loveda(root):
    for number in range(20):
        write_image(root / f'loveDA/img_dir/val/{2500 + number}.png', seed=number)
        write_labels(root / f'loveDA/ann_dir/val/{2500 + number}.png', values=(0, 1, 7))
    return {0, 6, 255}


def cityscapes(root):
    for city, count in (('frankfurt', 10), ('lindau', 4), ('munster', 6)):
        for number in range(count):
            name = f'{city}/{city}_{number:06d}_000019'
            write_image(root / f'cityscapes/leftImg8bit/val/{name}_leftImg8bit.png', seed=number)
            write_labels(root / f'cityscapes/gtFine/val/{name}_gtFine_labelIds.png', values=(7, 33, 0))
    return {0, 18, 255}


def coco_person(root):
    for part, count in (('train', 2), ('val', 2), ('calibration', 4), ('test', 3)):
        for number in range(count):
            write_image(root / f'coco_person/{part}/images/{part}{number}.jpg', size=(240, 320), seed=number)
            write_labels(root / f'coco_person/{part}/labels/{part}{number}.png', values=(0, 1, 255), size=(240, 320))
    return {0, 1, 255}


@pytest.mark.parametrize('config, tree, sizes', [('ade20k_calibration', ade20k, (5, 15)),
                                                 ('loveda_calibration', loveda, (5, 15)),
                                                 ('cityscapes_frankfurt', cityscapes, (10, 10)),
                                                 ('coco_person_calibration', coco_person, (4, 3))])
def test_parts_share_no_image_and_labels_are_translated(tmp_path, monkeypatch, config, tree, sizes):
    expected = tree(tmp_path)
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    loaders = Config.fromfile(DATASET_CONFIGS / f'{config}.py')
    parts = [DATASETS.build(loader.dataset) for loader in (loaders.train_dataloader, loaders.test_dataloader)]
    assert tuple(map(len, parts)) == sizes
    names = [{Path(part.get_data_info(index)['img_path']).name for index in range(len(part))} for part in parts]
    assert not names[0] & names[1]
    for part in parts:
        assert set(part[0]['data_samples'].gt_sem_seg.data.unique().tolist()) == expected
    if config in ('ade20k_calibration', 'loveda_calibration'):
        assert parts[1].metainfo['split']['by'] == 'image'


def test_any_category_may_be_named(tmp_path):
    coco_person(tmp_path)
    dataset = COCOCategoryDataset('test', 'dog', data_root=str(tmp_path / 'coco_person'))
    assert dataset.metainfo['classes'] == ('background', 'dog') and dataset.label_map is None
    with pytest.raises(ValueError, match="part='half' must be one of"):
        COCOCategoryDataset('half')

"""Domains of the reliability study: layouts, label maps and choices of scenes."""
from pathlib import Path

import pytest
from mmengine.config import Config
from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

from mmseg_uncertainty.datasets import ACDCDataset, CityscapesScenesDataset, DatasetError, IDDDataset, IDDLiteDataset
from mmseg_uncertainty.datasets.acdc_dataset import CONDITIONS
from mmseg_uncertainty.datasets.cityscapes_labels import IDD_NOVEL_IDS
from tests.test_datasets.small_files import write_image, write_labels

NAMES = CityscapesDataset.METAINFO['classes']
# The official table of Cityscapes; None has no train id.
MEANING = {
    7: 'road', 8: 'sidewalk', 11: 'building', 12: 'wall', 13: 'fence', 17: 'pole', 19: 'traffic light', 20: 'traffic sign',
    21: 'vegetation', 22: 'terrain', 23: 'sky', 24: 'person', 25: 'rider', 26: 'car', 27: 'truck', 28: 'bus', 31: 'train',
    32: 'motorcycle', 33: 'bicycle'}
PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadLabels'),
            dict(type='PackSegInputs', meta_keys=('img_path', 'scene', 'condition', 'ori_shape'))]


@pytest.fixture
def data_root_configs():
    folder = Path(__file__).resolve().parents[2] / 'local_configs/_base_/datasets'
    return lambda name: Config.fromfile(folder / f'{name}.py')


def build(kind, root, **options):
    return DATASETS.build(dict(type=kind, data_root=str(root), pipeline=PIPELINE, test_mode=True, _scope_='mmseg', **options))


def write_pair(root, folder, name, image_tail, label_tail, labels=('leftImg8bit', 'gtFine'), values=(7, 0, 255)):
    write_image(root / labels[0] / folder / f'{name}{image_tail}.png')
    write_labels(root / labels[1] / folder / f'{name}{label_tail}.png', values=values)


@pytest.mark.parametrize('dataset', [CityscapesScenesDataset, ACDCDataset])
@pytest.mark.parametrize('label', [*range(34), 255])
def test_every_cityscapes_id(dataset, label):
    assert dataset.get_label_map()[label] == (NAMES.index(MEANING[label]) if label in MEANING else 255)


def test_cityscapes_by_city(tmp_path):
    for city in ('frankfurt', 'lindau', 'munster'):
        write_pair(tmp_path, f'val/{city}', f'{city}_000000_000019', '_leftImg8bit', '_gtFine_labelIds')
        write_labels(tmp_path / f'gtFine/val/{city}/{city}_000000_000019_gtFine_instanceIds.png')
    assert len(build('CityscapesScenesDataset', tmp_path)) == 3
    dataset = build('CityscapesScenesDataset', tmp_path, scenes=('munster', 'lindau'))
    assert [dataset.get_data_info(index)['scene'] for index in range(2)] == ['lindau', 'munster']
    sample = dataset[0]['data_samples']
    assert set(sample.gt_sem_seg.data.unique().tolist()) == {0, 255} and sample.scene == 'lindau'
    with pytest.raises(DatasetError, match='no image of scene ulm in .* which holds frankfurt, lindau, munster'):
        build('CityscapesScenesDataset', tmp_path, scenes=('ulm', ))


def test_acdc_by_condition_and_split(tmp_path):
    """The word rain is part of train, and a scene may be filmed in two conditions."""
    for condition in CONDITIONS:
        for split in ('train', 'val'):
            write_pair(tmp_path, f'{condition}/{split}/GOPR0{split}', 'GOPR_1', '_rgb_anon', '_gt_labelIds', ('rgb_anon', 'gt'))
    write_image(tmp_path / 'rgb_anon/rain/train_ref/GOPR0train/GOPR_1_rgb_ref_anon.png')
    assert len(build('ACDCDataset', tmp_path)) == 4
    dataset = build('ACDCDataset', tmp_path, split='train', conditions=('rain', ))
    assert len(dataset) == 1 and '/rain/train/' in dataset.get_data_info(0)['img_path']
    assert dataset[0]['data_samples'].condition == 'rain' and dataset[0]['data_samples'].scene == 'GOPR0train'
    with pytest.raises(ValueError, match="conditions=\\('hail',\\)"):
        build('ACDCDataset', tmp_path, conditions=('hail', ))


def test_idd_by_drive_with_novel_objects(tmp_path):
    for drive in (9, 265):
        write_pair(tmp_path, f'train/{drive}', '000017', '_leftImg8bit', '_gtFine_labellevel3Ids', values=(0, *IDD_NOVEL_IDS, 3))
    dataset = build('IDDDataset', tmp_path, split='train', scenes=(265, ), keep_novel=True)
    novel = set(dataset.metainfo['novel_labels'])
    assert len(dataset) == 1 and novel == {108, 116, 117, 123} and not novel & set(IDDDataset.get_label_map().values())
    assert set(dataset[0]['data_samples'].gt_sem_seg.data.unique().tolist()) == {0, 255} | novel
    plain = build('IDDDataset', tmp_path, split='train')
    assert set(plain[0]['data_samples'].gt_sem_seg.data.unique().tolist()) == {0, 255} and len(plain) == 2


CAMVID_TO_IDD = dict(
    sky='sky', building='far objects', pole='roadside objects', road='drivable', pavement='non-drivable', tree='far objects',
    sign='roadside objects', fence='roadside objects', car='vehicles', pedestrian='living things', bicyclist='living things')
CITYSCAPES_TO_IDD = {
    'road': 'drivable', 'sidewalk': 'non-drivable', 'building': 'far objects', 'wall': 'roadside objects',
    'fence': 'roadside objects', 'pole': 'roadside objects', 'traffic light': 'roadside objects',
    'traffic sign': 'roadside objects', 'vegetation': 'far objects', 'terrain': 'non-drivable', 'sky': 'sky',
    'person': 'living things', 'rider': 'living things', 'car': 'vehicles', 'truck': 'vehicles', 'bus': 'vehicles',
    'train': 'vehicles', 'motorcycle': 'vehicles', 'bicycle': 'vehicles'}


@pytest.mark.parametrize('model, table', [('camvid', CAMVID_TO_IDD), ('cityscapes', CITYSCAPES_TO_IDD)])
def test_every_class_of_a_model_has_its_idd_lite_class(tmp_path, model, table):
    write_image(tmp_path / 'images/val/1.png')
    write_labels(tmp_path / 'labels/val/1.png', values=(0, 6))
    meta = build('IDDLiteDataset', tmp_path, model_classes=model).metainfo
    classes = DATASETS.get('CamVidDataset' if model == 'camvid' else 'CityscapesDataset').METAINFO['classes']
    assert {name: meta['classes'][group] for name, group in zip(classes, meta['class_groups'])} == table
    with pytest.raises(ValueError, match="model_classes='ade'"):
        IDDLiteDataset(model_classes='ade')


def test_configs_divide_scenes_as_published(data_root_configs):
    frankfurt, idd, acdc = (data_root_configs(name) for name in ('cityscapes_frankfurt', 'idd', 'acdc'))
    assert frankfurt.test_dataloader.dataset.scenes == ['frankfurt']
    assert frankfurt.train_dataloader.dataset.scenes == ['munster', 'lindau']
    assert len(set(idd.test_dataloader.dataset.scenes)) == 37 and idd.test_dataloader.dataset.split == 'train'
    assert idd.train_dataloader.dataset.split == acdc.train_dataloader.dataset.split == 'val'
    for condition in CONDITIONS:
        dataset = data_root_configs(f'acdc_{condition}').test_dataloader.dataset
        assert dataset.conditions == [condition] and dataset.split == 'train'


def test_samples_name_their_scene_whatever_the_pipeline_packs(tmp_path):
    for city in ('frankfurt', 'lindau'):
        write_pair(tmp_path, f'val/{city}', f'{city}_000000_000019', '_leftImg8bit', '_gtFine_labelIds')
    pipeline = [*PIPELINE[:-1], dict(type='PackSegInputs')]
    dataset = DATASETS.build(dict(type='CityscapesScenesDataset', data_root=str(tmp_path), pipeline=pipeline, test_mode=True,
                                  _scope_='mmseg'))
    assert [dataset[index]['data_samples'].scene for index in range(len(dataset))] == ['frankfurt', 'lindau']

"""Stanford 2D-3D-S from a small tree."""
import importlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmseg_uncertainty.datasets import DatasetError, S3DIS2DDataset
from mmseg_uncertainty.datasets.s3dis_2d_dataset import AREA_PRESETS, AREAS, area_names
from mmseg_uncertainty.engine.hooks.disjoint_areas_hook import check_disjoint_areas
from tests.test_datasets.small_indoor_scenes import CLASSES, SIZE, write_indoor_scenes

RAW = [dict(type='LoadImageFromFile'), dict(type='LoadInstanceColors'), dict(type='PackSegInputs')]
CONVERTED = [dict(type='LoadImageFromFile'), dict(type='LoadLabels'), dict(type='PackSegInputs')]


@pytest.fixture
def scenes(tmp_path):
    return tmp_path, write_indoor_scenes(tmp_path)


@pytest.fixture
def convert(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / 'tools/dataset_converters'))
    return importlib.import_module('stanford_2d3ds').main


def labels_of(dataset, index):
    return dataset[index]['data_samples'].gt_sem_seg.data[0].numpy()


def test_colours_and_converted_maps_give_the_same_labels(scenes, convert):
    root, expected = scenes
    raw = S3DIS2DDataset(data_root=str(root), areas=['1', '5a'], labels='semantic', pipeline=RAW)
    assert convert(['--source', str(root)]) == 0
    converted = S3DIS2DDataset(data_root=str(root), areas=['1', '5a'], pipeline=CONVERTED)
    assert len(raw) == len(converted) == 8
    for index in range(8):
        name = Path(raw.get_data_info(index)['seg_map_path']).name
        truth = np.where(expected[name] == 0, 255, expected[name])
        assert np.array_equal(labels_of(raw, index), truth)
        assert np.array_equal(labels_of(converted, index), truth)
    stored = np.array(Image.open(next((root / 'area_1/data/semantic_classes').iterdir())))
    assert stored.dtype == np.uint8 and stored.shape == SIZE


def test_unknown_can_be_a_class(scenes):
    root, expected = scenes
    dataset = S3DIS2DDataset(data_root=str(root), areas=['1'], labels='semantic', ignore_unknown=False, pipeline=RAW)
    name = Path(dataset.get_data_info(0)['seg_map_path']).name
    assert np.array_equal(labels_of(dataset, 0), expected[name])
    assert list(dataset.metainfo['classes']) == CLASSES and dataset.metainfo['areas'] == ('1', )


def test_samples_are_sorted_by_area_and_room_and_split_by_room(scenes):
    root, _ = scenes
    dataset = S3DIS2DDataset(data_root=str(root), areas=['5', 1], labels='semantic', pipeline=RAW)
    order = [(info['area'], info['sequence'], Path(info['img_path']).name) for info in map(dataset.get_data_info, range(12))]
    assert order == sorted(order) and {area for area, *_ in order} == {'1', '5a', '5b'}
    assert order[0][1] == 'area_1/hallway_2'
    parts = [S3DIS2DDataset(data_root=str(root), areas=['5', 1], labels='semantic', pipeline=RAW,
                            split=dict(part=part, by='sequence')) for part in ('calibration', 'test')]
    rooms = [{part.get_data_info(index)['sequence'] for index in range(len(part))} for part in parts]
    assert rooms[0].isdisjoint(rooms[1]) and len(rooms[0] | rooms[1]) == 6


def test_names_of_areas():
    assert area_names('lab_train') == ('1', '2', '3', '4', '6')
    assert area_names(['area_6', 5, '1']) == ('1', '5a', '5b', '6') == area_names(['6', '5a', '1', '5b'])
    for fold in (1, 2, 3):
        train, test = AREA_PRESETS[f'fold{fold}_train'], AREA_PRESETS[f'fold{fold}_test']
        assert sorted(train + test) == sorted(AREAS)
    for wrong in ([], ['7'], ['1', '1'], ['5', '5a'], 'lab'):
        with pytest.raises(ValueError, match='S3DIS2DDataset: areas='):
            area_names(wrong)


def loader(areas, **options):
    dataset = dict(type='S3DIS2DDataset', areas=areas, **options)
    return dict(dataset=dict(type='ConcatDataset', datasets=[dataset]))


def test_areas_that_train_must_not_evaluate():
    check_disjoint_areas(dict(train_dataloader=loader('lab_train'), val_dataloader=loader('lab_val')))
    check_disjoint_areas(dict(train_dataloader=loader(['3'], split=dict(part='calibration')),
                              test_dataloader=loader(['3'], split=dict(part='test'))))
    for shared, options in ((['5a'], {}), (['1', '5'], {}), ('all', dict(split=dict(part='test')))):
        with pytest.raises(ValueError, match='share the areas'):
            check_disjoint_areas(dict(train_dataloader=loader(['1', '5a']), val_dataloader=loader(['6']),
                                      test_dataloader=loader(shared, **options)))


def test_faults_are_named(scenes, convert, capsys):
    root, _ = scenes
    with pytest.raises(DatasetError, match='semantic_classes is missing.*stanford_2d3ds.py'):
        S3DIS2DDataset(data_root=str(root), areas=['1'], pipeline=CONVERTED)
    with pytest.raises(DatasetError, match='area_2.*is not a folder'):
        S3DIS2DDataset(data_root=str(root), areas=['2'], labels='semantic', pipeline=RAW)
    lost = next((root / 'area_5b/data/rgb').iterdir())
    lost.unlink()
    assert convert(['--source', str(root), '--check']) == 1
    assert f'{lost.stem.removesuffix("_rgb")} lacks its image' in capsys.readouterr().out
    assert not (root / 'area_1/data/semantic_classes').exists()
    (root / 'assets/semantic_labels.json').unlink()
    dataset = S3DIS2DDataset(data_root=str(root), areas=['1'], labels='semantic', pipeline=RAW)
    with pytest.raises(DatasetError, match='semantic_labels.json'):
        dataset[0]
    assert convert(['--source', str(root)]) == 1 and 'semantic_labels.json' in capsys.readouterr().out


def test_class_maps_are_not_taken_for_colours(scenes, convert):
    root, _ = scenes
    convert(['--source', str(root), '--areas', 'lab_val'])
    dataset = S3DIS2DDataset(data_root=str(root), areas=['5a'], pipeline=RAW)
    with pytest.raises(DatasetError, match='LoadLabels'):
        dataset[0]

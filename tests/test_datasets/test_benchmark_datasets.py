"""Small trees of the layouts as downloaded are read, and labels become what they mean."""
import importlib.util
from pathlib import Path

import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS

import mmseg_uncertainty.registered  # noqa: F401
from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.datasets.bravo_dataset import SUBSETS
from mmseg_uncertainty.runtime.shipped_files import dataset_configs
from tests.test_datasets.small_files import write_image, write_labels

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadLabels'), dict(type='PackSegInputs')]


def build(kind, root, pipeline=PIPELINE, **options):
    return DATASETS.build(dict(type=kind, data_root=str(root), pipeline=pipeline, test_mode=True, _scope_='mmseg', **options))


def write(root, image, labels=None, values=(0, 1, 255)):
    write_image(root / image)
    if labels:
        write_labels(root / labels, values)


def stems(dataset):
    return [Path(dataset.get_data_info(index)['img_path']).stem for index in range(len(dataset))]


def pixels(dataset, index=0, count=8):
    """The first labels of an image, as evaluators get them."""
    return dataset[index]['data_samples'].gt_sem_seg.data.flatten()[:count].tolist()


def test_validation_images_of_the_anomaly_track(tmp_path):
    for name in ('validation0001', 'airplane0000'):
        write(tmp_path, f'images/{name}.jpg')
    write_labels(tmp_path / 'labels_masks/validation0001_labels_semantic.png')
    dataset = build('SmiycDataset', tmp_path)
    assert stems(dataset) == ['validation0001'] and pixels(dataset, count=3) == [0, 1, 255]
    assert dataset.metainfo['track'] == 'anomaly'
    assert dataset.metainfo['label_kind'] == 'anomaly'


def test_test_images_of_a_track_have_no_labels(tmp_path):
    for name in ('validation0001', 'airplane0000'):
        write(tmp_path, f'images/{name}.jpg')
    dataset = build('SmiycDataset', tmp_path, split='AnomalyTrack-test')
    assert stems(dataset) == ['airplane0000'] and 'seg_map_path' not in dataset.get_data_info(0)
    assert 'gt_sem_seg' not in dataset[0]['data_samples'] and dataset[0]['inputs'].shape == (3, 12, 20)
    assert stems(build('SmiycDataset', tmp_path, split='AnomalyTrack-test', skip_broken=True)) == ['airplane0000']


@pytest.mark.parametrize('split, names', [
    ('validation', ['validation_1']), ('night', ['driveway_14']), ('snowstorm', ['snowstorm1_00_02']), ('test', ['gravel_3'])])
def test_splits_of_the_obstacle_track(tmp_path, split, names):
    for name in ('validation_1', 'validation_23', 'driveway_14', 'snowstorm1_00_02', 'gravel_3'):
        write(tmp_path, f'images/{name}.webp')
    write_labels(tmp_path / 'labels_masks/validation_1_labels_semantic.png')
    dataset = build('SmiycDataset', tmp_path, split=f'ObstacleTrack-{split}')
    assert stems(dataset) == names and dataset.metainfo['track'] == 'obstacle'


def test_tracks_that_are_not_whole_or_not_there_are_named(tmp_path):
    write(tmp_path, 'images/airplane0000.jpg')
    with pytest.raises(DatasetError, match='AnomalyTrack-all has 110 images, and .* holds 1'):
        build('SmiycDataset', tmp_path, split='AnomalyTrack-all', complete=True)
    with pytest.raises(DatasetError, match='holds no image of ObstacleTrack-night, but airplane0000'):
        build('SmiycDataset', tmp_path, split='ObstacleTrack-night')
    with pytest.raises(ValueError, match='Did you mean ObstacleTrack-night'):
        build('SmiycDataset', tmp_path, split='ObstacleTrack-nihgt')


def lost_and_found(root, *names, split='test'):
    for name in names:
        scene = name.rpartition('_')[0].rpartition('_')[0]
        write(root, f'leftImg8bit/{split}/{scene}/{name}_leftImg8bit.png',
              f'gtCoarse/{split}/{scene}/{name}_gtCoarse_labelIds.png', (0, 1, 2, 43, 200))
        write_labels(root / f'gtCoarse/{split}/{scene}/{name}_gtCoarse_instanceIds.png')


def test_the_road_is_what_counts_in_lost_and_found(tmp_path):
    lost_and_found(tmp_path, '02_X_000000_000010')
    dataset = build('LostAndFoundDataset', tmp_path)
    assert pixels(dataset, count=5) == [255, 0, 1, 1, 1] and dataset.metainfo['track'] == 'obstacle'


def test_frames_without_labels_and_with_known_objects_are_left_out(tmp_path):
    names = [f'02_X_000000_{index:06d}' for index in range(18)]
    lost_and_found(tmp_path, *names, '15_Rechbergstr_Deckenpfronn_000001_000010')
    everything = build('LostAndFoundDataset', tmp_path)
    labelled = build('LostAndFoundDataset', tmp_path, frames='labelled')
    unknown = build('LostAndFoundDataset', tmp_path, frames='no_known')
    assert [len(everything), len(labelled), len(unknown)] == [19, 18, 17]
    assert '02_X_000000_000017_leftImg8bit' not in stems(labelled)


def test_anomalies_of_street_hazards(tmp_path):
    write(tmp_path, 'test/images/test/t5/300.png', 'test/annotations/test/t5/300.png', (1, 7, 13, 14, 0))
    dataset = build('StreetHazardsDataset', tmp_path)
    assert pixels(dataset, count=5) == [0, 0, 0, 1, 255]


def test_classes_of_street_hazards(tmp_path):
    write(tmp_path, 'train/images/validation/t1/3.png', 'train/annotations/validation/t1/3.png', (1, 7, 13, 14, 0))
    dataset = build('StreetHazardsDataset', tmp_path, split='validation', labels='classes')
    assert pixels(dataset, count=5) == [0, 6, 12, 255, 255]
    assert len(dataset.metainfo['classes']) == len(dataset.metainfo['palette']) == 13 and dataset.metainfo['label_kind'] == 'classes'


def test_ade_ood(tmp_path):
    write(tmp_path, 'images/x.jpg', 'annotations/x_mask.png')
    assert pixels(build('ADEOoDDataset', tmp_path), count=3) == [0, 1, 255]


@pytest.mark.parametrize('images, labels, tail', [
    ('seg/images', 'seg/labels', '_train_id'), ('seg/images', 'seg/train_labels', '_train_id'),
    ('images/10k', 'labels/sem_seg/masks', '')])
def test_the_converter_lists_the_images_of_bdd_anomaly(tmp_path, images, labels, tail):
    with_train, without = (0, 16, 255), (0, 13, 255)
    for part, name, values in (('train', 'a', with_train), ('train', 'b', without), ('val', 'c', (18, 5))):
        write(tmp_path, f'{images}/{part}/{name}.jpg', f'{labels}/{part}/{name}{tail}.png', values)
    with pytest.raises(DatasetError, match=r'bdd_anomaly_test\.txt is missing.*bdd_anomaly\.py'):
        build('BDDAnomalyDataset', tmp_path)
    converter('bdd_anomaly').main(['--source', str(tmp_path)])
    dataset = build('BDDAnomalyDataset', tmp_path)
    assert stems(dataset) == ['a', 'c'] and pixels(dataset, count=3) == [0, 1, 255] and pixels(dataset, 1, 2) == [1, 0]
    assert len(build('BDDAnomalyDataset', tmp_path, ann_file='')) == 3


def converter(name):
    path = Path(__file__).parents[2] / f'tools/dataset_converters/{name}.py'
    spec = importlib.util.spec_from_file_location(f'converter_{name}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_anomalies_and_classes_of_muad(tmp_path):
    write(tmp_path, 'ood/leftImg8bit/000001_leftImg8bit.png', 'ood/leftLabel/000001_leftLabel.png', (0, 18, 19, 20, 21, 255))
    assert pixels(build('MUADDataset', tmp_path), count=6) == [0, 0, 1, 1, 255, 255]
    assert pixels(build('MUADDataset', tmp_path, labels='classes'), count=6) == [0, 18, 255, 255, 255, 255]
    with pytest.raises(DatasetError, match='holds none of the folders val/leftImg8bit'):
        build('MUADDataset', tmp_path, split='val')


def bravo(root, subset):
    """An image of a subset with its two maps; returns labels and altered pixels."""
    place = SUBSETS[subset]
    stem = f'{place.folder}/deep/er/x_1'
    labels, invalid = (0, 18, 255, 5), (0, 1, 1, 7)
    write(root, f'{stem}{place.image_tail}.png', f'bravo_GT/{stem}{place.label_tail}.png', labels)
    write_labels(root / f'bravo_GT/{stem}{place.invalid_tail}.png', invalid)


@pytest.mark.parametrize('subset', SUBSETS)
def test_subsets_of_bravo(tmp_path, subset):
    bravo(tmp_path, subset)
    pipeline = [PIPELINE[0], dict(type='LoadBravoLabels'), PIPELINE[2]]
    classes = build('BravoDataset', tmp_path, pipeline, subset=subset)
    assert len(classes) == 1 and pixels(classes, count=4) == [0, 255, 255, 255]
    assert len(classes.metainfo['classes']) == 19
    joint = build('BravoDataset', tmp_path, pipeline, subset=subset, labels='joint')
    assert pixels(joint, count=4) == [0, 253, 255, 253] and joint.metainfo['novel_labels'] == (253, )
    assert joint.metainfo['subset'] == subset
    invalid = build('BravoDataset', tmp_path, pipeline, subset=subset, labels='invalid')
    assert pixels(invalid, count=4) == [0, 1, 255, 1] and invalid.metainfo['label_kind'] == 'anomaly'


def test_images_of_bravo_without_ground_truth_can_be_predicted(tmp_path):
    write(tmp_path, 'bravo_synobjs/armchair/1.png')
    dataset = build('BravoDataset', tmp_path, [PIPELINE[0], dict(type='LoadBravoLabels'), PIPELINE[2]], subset='synobjs',
                    labelled=False)
    assert stems(dataset) == ['1'] and 'gt_sem_seg' not in dataset[0]['data_samples']


def test_a_missing_map_of_altered_pixels_is_named(tmp_path):
    bravo(tmp_path, 'synrain')
    next(tmp_path.rglob('*_gt_invIds.png')).unlink()
    dataset = build('BravoDataset', tmp_path, [PIPELINE[0], dict(type='LoadBravoLabels'), PIPELINE[2]], subset='synrain')
    with pytest.raises(DatasetError, match='_gt_invIds.png is missing'):
        dataset[0]


def test_values_that_no_table_knows_are_refused(tmp_path):
    write(tmp_path, 'test/images/test/t5/300.png', 'test/annotations/test/t5/300.png', (1, 15))
    with pytest.raises(DatasetError, match=r'holds the label values \[15\]'):
        build('StreetHazardsDataset', tmp_path)[0]


CONFIGS = dict(
    smiyc_anomaly='SmiycDataset', smiyc_obstacle='SmiycDataset', smiyc_lost_and_found='LostAndFoundDataset',
    lost_and_found='LostAndFoundDataset', street_hazards='StreetHazardsDataset', ade_ood='ADEOoDDataset',
    bdd_anomaly='BDDAnomalyDataset', muad='MUADDataset',
    **{name: 'BravoDataset' for name in dataset_configs() if name.startswith('bravo_')})


@pytest.mark.parametrize('name, kind', CONFIGS.items())
def test_configs_name_the_folder_that_is_missing(tmp_path, monkeypatch, name, kind):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    dataset = Config.fromfile(dataset_configs()[name]).test_dataloader.dataset
    assert dataset.type == kind
    with pytest.raises(DatasetError, match=str(tmp_path)):
        DATASETS.build(dict(dataset, _scope_='mmseg'))


def test_bravo_has_a_config_for_every_subset_and_half():
    datasets = [Config.fromfile(dataset_configs()[name]).test_dataloader.dataset for name in CONFIGS if name.startswith('bravo_')]
    assert {dataset.subset for dataset in datasets} == set(SUBSETS) and len(SUBSETS) == 9
    assert {dataset.subset for dataset in datasets if dataset.labels == 'invalid'} == {'SMIYC', 'synobjs'}

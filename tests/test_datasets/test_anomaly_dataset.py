"""Layouts are found and paired, and every fault names its file."""
import logging
from pathlib import Path

import numpy as np
import pytest
from mmengine.logging import MMLogger
from mmseg.registry import DATASETS

import mmseg_uncertainty.registered  # noqa: F401
from mmseg_uncertainty.datasets import AnomalyDataset, DatasetError
from tests.test_datasets.small_files import write_image, write_labels

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadLabels'), dict(type='PackSegInputs')]


def build(root, **options):
    config = dict(type='AnomalyDataset', data_root=str(root), pipeline=PIPELINE, test_mode=True, _scope_='mmseg')
    return DATASETS.build({**config, **options})


def stems(dataset):
    return [Path(dataset.get_data_info(index)['img_path']).stem for index in range(len(dataset))]


@pytest.mark.parametrize('image_suffix', ['.png', '.jpg', '.webp'])
@pytest.mark.parametrize('label_suffix', ['.png', '.webp'])
def test_folder_is_matched_by_stem_whatever_the_format(tmp_path, image_suffix, label_suffix):
    for name in ('b', 'a', 'sub/c'):
        write_image(tmp_path / f'images/{name}{image_suffix}')
        labels = write_labels(tmp_path / f'labels/{name}{label_suffix}')
    dataset = build(tmp_path)
    assert stems(dataset) == ['a', 'b', 'c']
    assert np.array_equal(dataset[0]['data_samples'].gt_sem_seg.data[0].numpy(), labels)


@pytest.mark.parametrize('image, labels, layout', [
    ('images/validation0.jpg', 'labels_masks/validation0_labels_semantic.png', 'segment_me_if_you_can'),
    ('leftImg8bit/val/ulm/x_1_leftImg8bit.png', 'gtFine/val/ulm/x_1_gtFine_labelTrainIds.png', 'cityscapes'),
    ('leftImg8bit/train/04_Weg/04_Weg_0_3_leftImg8bit.png', 'fishyscapes_lostandfound/0007_04_Weg_0_3_labels.png',
     'fishyscapes_lost_and_found'),
    ('images/x.jpg', 'labels/x_labels_semantic.png', 'folder'),
])
def test_official_layouts_are_recognized(tmp_path, image, labels, layout):
    write_image(tmp_path / image)
    write_labels(tmp_path / labels)
    dataset = build(tmp_path)
    assert dataset.layout == layout and len(dataset) == 1
    assert dataset[0]['inputs'].shape == (3, 12, 20)


def test_images_without_public_labels_are_left_out_of_a_benchmark(tmp_path):
    for name in ('validation0', 'dog7'):
        write_image(tmp_path / f'images/{name}.jpg')
    write_labels(tmp_path / 'labels_masks/validation0_labels_semantic.png')
    assert stems(build(tmp_path)) == ['validation0']


def test_metainfo_tells_anomalies_from_classes(anomaly_folder):
    metainfo = build(anomaly_folder).metainfo
    assert metainfo['classes'] == ('in-distribution', 'anomaly') and metainfo['label_kind'] == 'anomaly'


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r'nowhere does not exist.*--data-root'):
        build(tmp_path / 'nowhere')


def test_empty_folder_is_named(tmp_path):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'labels').mkdir()
    with pytest.raises(DatasetError, match='images holds no image'):
        build(tmp_path)


def test_unknown_layout_lists_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match='layout=.* is unknown; choose from .*folder'):
        AnomalyDataset(data_root=tmp_path, layout='flat')


def test_missing_label_is_found_at_construction(anomaly_folder):
    (anomaly_folder / 'labels/frame1.png').unlink()
    with pytest.raises(DatasetError, match=r'frame1\.png has no label .*1 of 3.*--skip-broken'):
        build(anomaly_folder)


def test_label_of_a_track_without_image_is_named(tmp_path):
    write_image(tmp_path / 'images/a.jpg')
    write_labels(tmp_path / 'labels_masks/b_labels_semantic.png')
    with pytest.raises(DatasetError, match='b_labels_semantic.png has no image'):
        build(tmp_path)


def test_two_files_of_one_stem_are_named(anomaly_folder):
    write_image(anomaly_folder / 'images/frame1.jpg')
    with pytest.raises(DatasetError, match='same stem'):
        build(anomaly_folder)


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def garble(path):
    path.write_bytes(b'no image at all')


FAULTS = {
    'label of another size': (lambda root: write_labels(root / 'labels/frame1.png', size=(6, 10)),
                              r'labels/frame1\.png is 10×6, its image .*images/frame1\.png is 20×12'),
    'unknown value': (lambda root: write_labels(root / 'labels/frame1.png', values=(0, 1, 2, 7)),
                      r'labels/frame1\.png holds the label values \[2, 7\] in 120 pixels, expected only \[0, 1, 255\]'),
    'coloured label': (lambda root: write_image(root / 'labels/frame1.png'),
                       r'labels/frame1\.png has 3 differing channels'),
    'garbled label': (lambda root: garble(root / 'labels/frame1.png'), r'labels/frame1\.png cannot be read'),
    'cut label': (lambda root: cut(root / 'labels/frame1.png'), r'labels/frame1\.png cannot be read'),
    'garbled image': (lambda root: garble(root / 'images/frame1.png'),
                      r'images/frame1\.png cannot be read as an image'),
    'cut image': (lambda root: cut(root / 'images/frame1.png'), r'images/frame1\.png was cut off'),
    'empty image': (lambda root: (root / 'images/frame1.png').write_bytes(b''), r'images/frame1\.png is empty'),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_fault_is_named_when_its_image_is_loaded(anomaly_folder, fault):
    damage, message = FAULTS[fault]
    damage(anomaly_folder)
    dataset = build(anomaly_folder)
    dataset[0]
    with pytest.raises(DatasetError, match=message):
        dataset[1]


@pytest.mark.parametrize('fault', FAULTS)
def test_skip_broken_leaves_the_file_out_and_counts_it(anomaly_folder, fault):
    FAULTS[fault][0](anomaly_folder)
    dataset = build(anomaly_folder, skip_broken=True)
    assert stems(dataset) == ['frame0', 'frame2']
    assert [Path(path).name for path in dataset.skipped] == ['frame1.png']


def test_number_of_skipped_files_is_logged(anomaly_folder, caplog):
    garble(anomaly_folder / 'images/frame1.png')
    (anomaly_folder / 'labels/frame2.png').unlink()
    logger = MMLogger.get_instance('skip_broken')
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING):
        build(anomaly_folder, skip_broken=True)
    assert 'skipped 2 broken of 3 images' in caplog.text


def test_nothing_left_after_skipping_is_an_error(anomaly_folder):
    for index in range(3):
        garble(anomaly_folder / f'images/frame{index}.png')
    with pytest.raises(DatasetError, match='all 3 images are broken'):
        build(anomaly_folder, skip_broken=True)


@pytest.mark.parametrize('name, frames, share', [('fs_lost_found', 50, 0.0023), ('fs_static', 30, 0.012),
                                                 ('road_anomaly', 60, 0.098)])
def test_real_data(data_root, name, frames, share):
    dataset = build(data_root / name)
    assert len(dataset) == frames
    step = frames // 10
    labels = [dataset[index]['data_samples'].gt_sem_seg.data.numpy() for index in range(0, frames, step)]
    assert 0 < np.mean([np.mean(label == 1) for label in labels]) < 4 * share

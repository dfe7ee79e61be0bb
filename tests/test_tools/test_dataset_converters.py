"""Converters on small trees laid out like the downloads."""
import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmseg_uncertainty.datasets import AnomalyDataset

CONVERTERS = Path(__file__).parents[2] / 'tools/dataset_converters'
SIZE = (6, 8)


@pytest.fixture
def converter(monkeypatch):
    monkeypatch.syspath_prepend(str(CONVERTERS))
    return importlib.import_module


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, lossless=True)


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def labels(*values):
    return np.resize(np.array(values, np.uint8), SIZE)


@pytest.fixture
def lost_and_found(tmp_path):
    for number, split in ((0, 'train'), (1, 'test')):
        name = f'04_Maurener_Weg_8_00000{number}_000030'
        save(tmp_path / f'leftImg8bit/{split}/04_Maurener_Weg_8/{name}_leftImg8bit.png', picture(number))
        save(tmp_path / f'masks/000{number}_{name}_labels.png', labels(0, 1, 255))
    return ['--masks', str(tmp_path / 'masks'), '--images', str(tmp_path / 'leftImg8bit'), '--out',
            str(tmp_path / 'out')]


def test_lost_and_found_is_written_and_can_be_read(converter, lost_and_found, tmp_path, capsys):
    assert converter('fishyscapes_lost_and_found').main(lost_and_found) == 0
    dataset = AnomalyDataset(data_root=tmp_path / 'out')
    assert dataset.layout == 'folder' and len(dataset) == 2
    first = tmp_path / 'out/images/0000_04_Maurener_Weg_8_000000_000030.png'
    assert np.array_equal(np.array(Image.open(first)), picture(0))
    assert np.array_equal(np.array(Image.open(tmp_path / 'out/labels' / first.name)), labels(0, 1, 255))
    assert 'found 2 frames, 0 files are missing; the official data set has 100 frames' in capsys.readouterr().out


def test_check_says_what_is_missing_and_writes_nothing(converter, lost_and_found, tmp_path, capsys):
    lost = next((tmp_path / 'leftImg8bit/test').rglob('*.png'))
    lost.unlink()
    assert converter('fishyscapes_lost_and_found').main([*lost_and_found, '--check']) == 1
    assert f'missing: {tmp_path}/leftImg8bit/train/04_Maurener_Weg_8/{lost.name}' in capsys.readouterr().out
    assert not (tmp_path / 'out').exists()


def test_missing_image_stops_the_conversion(converter, lost_and_found, tmp_path, capsys):
    next((tmp_path / 'leftImg8bit/test').rglob('*.png')).unlink()
    assert converter('fishyscapes_lost_and_found').main(lost_and_found) == 1
    assert 'is missing' in capsys.readouterr().out and not (tmp_path / 'out').exists()


def test_unknown_label_value_leaves_nothing_half_written(converter, lost_and_found, tmp_path, capsys):
    save(next((tmp_path / 'masks').glob('0001*')), labels(0, 3))
    assert converter('fishyscapes_lost_and_found').main(lost_and_found) == 1
    assert 'holds the label values [3]' in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ['leftImg8bit', 'masks']


def test_existing_folder_is_not_overwritten(converter, lost_and_found, tmp_path, capsys):
    (tmp_path / 'out').mkdir()
    assert converter('fishyscapes_lost_and_found').main(lost_and_found) == 1
    assert 'exists already' in capsys.readouterr().out and not list((tmp_path / 'out').iterdir())


def test_missing_folder_is_named(converter, lost_and_found, tmp_path, capsys):
    lost_and_found[1] = str(tmp_path / 'nowhere')
    assert converter('fishyscapes_lost_and_found').main(lost_and_found) == 1
    assert 'nowhere is not a folder' in capsys.readouterr().out


@pytest.fixture
def static(tmp_path):
    name = 'frankfurt_000001_046504'
    save(tmp_path / f'val/frankfurt/{name}_leftImg8bit.png', picture(0))
    save(tmp_path / f'fs_val_v3/0000_{name}_labels.png', labels(0, 1, 255))
    overlay = np.random.default_rng(1).integers(-300, 300, (*SIZE, 3)).astype(np.int16)
    np.savez(tmp_path / f'fs_val_v3/0000_{name}_rgb.npz', rgb=overlay)
    options = ['--overlays', str(tmp_path / 'fs_val_v3'), '--cityscapes', str(tmp_path / 'val'), '--out',
               str(tmp_path / 'out')]
    return options, overlay


def test_static_adds_the_overlay_and_clips(converter, static, tmp_path):
    options, overlay = static
    assert converter('fishyscapes_static').main(options) == 0
    image = np.array(Image.open(next((tmp_path / 'out/images').iterdir())))
    assert np.array_equal(image, np.clip(picture(0).astype(int) + overlay, 0, 255))
    assert len(AnomalyDataset(data_root=tmp_path / 'out')) == 1


@pytest.mark.parametrize('arrays, message', [(dict(image=np.zeros(3)), 'expected "rgb"'),
                                             (dict(rgb=np.zeros((3, 4, 3))), r'has the shape \(3, 4, 3\)')])
def test_unfit_overlay_is_named(converter, static, tmp_path, capsys, arrays, message):
    np.savez(next((tmp_path / 'fs_val_v3').glob('*.npz')), **arrays)
    assert converter('fishyscapes_static').main(static[0]) == 1
    assert re.search(message, capsys.readouterr().out) and not (tmp_path / 'out').exists()


def test_static_check_lists_a_missing_overlay(converter, static, tmp_path, capsys):
    next((tmp_path / 'fs_val_v3').glob('*.npz')).unlink()
    assert converter('fishyscapes_static').main([*static[0], '--check']) == 1
    assert 'missing: ' in capsys.readouterr().out


@pytest.mark.parametrize('suffix, official', [('.jpg', 10), ('.webp', 30)])
def test_track_keeps_labelled_images_only(converter, tmp_path, capsys, suffix, official):
    for name in ('validation0', 'cat3'):
        save(tmp_path / f'track/images/{name}{suffix}', picture(0))
    save(tmp_path / 'track/labels_masks/validation0_labels_semantic.png', labels(0, 1, 255))
    options = ['--source', str(tmp_path / 'track'), '--out', str(tmp_path / 'out')]
    assert converter('segment_me_if_you_can').main(options) == 0
    assert [path.name for path in (tmp_path / 'out/images').iterdir()] == [f'validation0{suffix}']
    assert f'the official data set has {official} frames' in capsys.readouterr().out


def test_road_anomaly_labels_become_0_and_1(converter, tmp_path):
    save(tmp_path / 'source/frames/cow.jpg', picture(0))
    save(tmp_path / 'source/frames/cow.labels/labels_semantic.png', labels(0, 2))
    options = ['--source', str(tmp_path / 'source'), '--out', str(tmp_path / 'out')]
    assert converter('segment_me_if_you_can').main(options) == 0
    assert np.array_equal(np.array(Image.open(tmp_path / 'out/labels/cow.png')), labels(0, 1))


def test_complete_download_passes_the_check(converter, tmp_path):
    for index in range(10):
        save(tmp_path / f'images/validation{index}.jpg', picture(index))
        save(tmp_path / f'labels_masks/validation{index}_labels_semantic.png', labels(0, 1))
    options = ['--source', str(tmp_path), '--out', str(tmp_path / 'out'), '--check']
    assert converter('segment_me_if_you_can').main(options) == 0 and not (tmp_path / 'out').exists()


@pytest.mark.parametrize('share', [0, 0.3, 0.9])
def test_an_overlay_that_was_cut_off_is_named(converter, static, tmp_path, capsys, share):
    path = next((tmp_path / 'fs_val_v3').glob('*.npz'))
    content = path.read_bytes()
    path.write_bytes(content[:int(share * len(content))])
    assert converter('fishyscapes_static').main(static[0]) == 1
    assert f'{path} cannot be read as .npz file' in capsys.readouterr().out and not (tmp_path / 'out').exists()


def test_linked_downloads_are_read(converter, static, tmp_path):
    (tmp_path / 'fs_val_v3').rename(tmp_path / 'elsewhere')
    (tmp_path / 'fs_val_v3').mkdir()
    (tmp_path / 'fs_val_v3/linked').symlink_to(tmp_path / 'elsewhere')
    assert converter('fishyscapes_static').main(static[0]) == 0

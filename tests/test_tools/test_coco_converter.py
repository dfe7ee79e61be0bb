"""One category of COCO, from a small tree in its layout."""
import importlib
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mmseg_uncertainty.datasets import COCOCategoryDataset, DatasetError

CONVERTERS = Path(__file__).parents[2] / 'tools/dataset_converters'


@pytest.fixture
def converter(monkeypatch):
    monkeypatch.syspath_prepend(str(CONVERTERS))
    return importlib.import_module('coco')


def square(left, top, side):
    return [[left, top, left + side, top, left + side, top + side, left, top + side]]


def crowd(size, rows):
    mask = np.zeros(size, np.uint8)
    mask[rows] = 1
    flat = mask.flatten(order='F')
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    return dict(size=list(size), counts=counts if flat[0] == 0 else [0, *counts])


def write_coco(folder):
    """Six images to train on, three to test on, of several shapes; one in each shows no person."""
    random = np.random.default_rng(0)
    sizes = [(48, 64), (64, 48), (40, 64)]
    for name, count in (('train2017', 6), ('val2017', 3)):
        images, annotations = [], []
        (folder / name).mkdir(parents=True)
        for number in range(count):
            height, width = sizes[number % 3]
            file = f'{number:012d}.jpg'
            cv2.imwrite(str(folder / name / file), random.integers(0, 256, (height, width, 3), dtype=np.uint8))
            images.append(dict(id=100 + number, file_name=file, height=height, width=width))
            segmentation = crowd((height, width), slice(20, 30)) if number == 1 else square(10, 16, 16)
            annotations.append(dict(image_id=100 + number, category_id=49 if number else 7, segmentation=segmentation,
                                    iscrowd=int(number == 1)))
        categories = [dict(id=7, name='dog'), dict(id=49, name='person')]
        (folder / 'annotations').mkdir(exist_ok=True)
        (folder / f'annotations/instances_{name}.json').write_text(
            json.dumps(dict(images=images, annotations=annotations, categories=categories)))
    return folder


@pytest.fixture
def source(tmp_path):
    return write_coco(tmp_path)


def options(source, *more):
    paths = ['--source', str(source), '--out', str(source / 'out')]
    return [*paths, '--size', '32', '24', '--train', '1', '--val', '1', *more]


def test_the_category_is_found_by_name_and_divided(converter, source, capsys):
    assert converter.main(options(source)) == 0
    assert 'person: 1 train, 1 val, 3 calibration, 2 test; 0 files are missing' in capsys.readouterr().out
    for part, count in (('train', 1), ('val', 1), ('calibration', 3), ('test', 2)):
        dataset = COCOCategoryDataset(part, data_root=str(source / 'out'), pipeline=[
            dict(type='LoadImageFromFile'), dict(type='LoadLabels'), dict(type='PackSegInputs')])
        assert len(dataset) == count and dataset[0]['inputs'].shape == (3, 24, 32)
    assert (source / 'out/test/labels/000000000001.png').is_file()
    assert converter.main(options(source, '--check', '--category', 'dog', '--train', '0', '--val', '0')) == 0


def test_masks_are_those_of_polygons_and_run_lengths(converter, source):
    pictures = converter.find_pictures(source / 'annotations/instances_val2017.json', source / 'val2017', 'person')
    masks = [converter.draw_labels(picture) for picture in pictures]
    assert masks[0][20:30].all() and masks[0].sum() == 10 * 48
    assert masks[1][17:31, 11:25].all() and 14 * 14 <= masks[1].sum() <= 18 * 18


@pytest.mark.parametrize('size', [(48, 64), (64, 48), (20, 64)])
def test_frames_are_padded_or_cropped_about_the_middle(converter, size):
    values = np.full(size, 7, np.uint8)
    framed = converter.fit_frame(values, (32, 24), 255, cv2.INTER_NEAREST)
    rows = min(round(size[0] * 32 / size[1]), 24)
    assert framed.shape == (24, 32)
    assert (framed[(24 - rows) // 2:][:rows] == 7).all() and (framed == 255).sum() == (24 - rows) * 32


def test_the_division_depends_on_the_seed_alone(converter, source):
    pictures = converter.find_pictures(source / 'annotations/instances_train2017.json', source / 'train2017', 'person')
    first, again, other = (converter.divide(pictures, 1, 1, None, seed) for seed in (42, 42, 3))
    assert first == again != other


@pytest.mark.parametrize('more, message', [(('--category', 'unicorn'), "no category 'unicorn'; it knows dog, person"),
                                           (('--train', '9'), 'leaves none to calibrate with'),
                                           (('--source', '/nowhere'), 'cannot be read as COCO instances')])
def test_mistakes_are_named_and_nothing_is_written(converter, source, capsys, more, message):
    assert converter.main(options(source, *more)) == 1
    assert message in capsys.readouterr().out and not (source / 'out').exists()


def test_missing_and_unfit_images_are_named(converter, source, capsys):
    cv2.imwrite(str(source / 'val2017/000000000002.jpg'), np.zeros((5, 5, 3), np.uint8))
    assert converter.main(options(source)) == 1
    assert 'its annotations expect (40, 64)' in capsys.readouterr().out and not (source / 'out').exists()
    (source / 'val2017/000000000002.jpg').unlink()
    assert converter.main(options(source, '--check')) == 1
    assert f'missing: {source}/val2017/000000000002.jpg' in capsys.readouterr().out


@pytest.mark.parametrize('change, message', [
    (dict(segmentation=None), 'has the segmentation None'),
    (dict(segmentation=[]), r'has the segmentation \[\]'),
    (dict(segmentation=[[1, 2, 3]]), 'has a polygon of 3 numbers'),
    (dict(segmentation=[[1, 2, 'x', 4, 5, 6]]), 'has the polygon'),
    (dict(segmentation=dict(size=[4, 4])), 'has a run-length code without counts'),
    (dict(image_id=999), 'is of image 999, which the file does not list')])
def test_entries_that_cannot_be_used_are_named(converter, source, change, message, capsys):
    file = source / 'annotations/instances_val2017.json'
    content = json.loads(file.read_text())
    content['annotations'][2].update(id=77, **change)
    file.write_text(json.dumps(content))
    assert converter.main(options(source)) == 1
    told = capsys.readouterr().out
    assert 'instances_val2017.json: annotation 77 of person ' in told and re.search(message, told)
    assert not (source / 'out').exists()


@pytest.mark.parametrize('spoil', [
    lambda content: content['images'][0].pop('height'), lambda content: content['annotations'].append(3),
    lambda content: content.pop('annotations')])
def test_files_of_another_kind_are_named(converter, source, spoil, capsys):
    file = source / 'annotations/instances_train2017.json'
    content = json.loads(file.read_text())
    spoil(content)
    file.write_text(json.dumps(content))
    assert converter.main(options(source)) == 1 and 'instances_train2017.json cannot be read' in capsys.readouterr().out


def test_photos_that_are_turned_by_exif_follow_their_annotations(converter, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / 'a.png', exif=exif)
    for size, expected in (((40, 60), pixels), ((60, 40), np.rot90(pixels, -1))):
        found = converter._read_as_annotated(converter.Picture(tmp_path / 'a.png', size, []))
        assert np.array_equal(found[..., ::-1], expected)
    with pytest.raises(DatasetError, match=r'a.png is of \(40, 60\) rows and columns, turned as its EXIF says \(60, 40\)'):
        converter._read_as_annotated(converter.Picture(tmp_path / 'a.png', (40, 61), []))

"""Options of mmseg's own dataset class mean what they mean there."""
import cv2
import numpy as np
import pytest
from mmseg.datasets import BaseSegDataset

from mmseg_uncertainty.datasets import (AnomalyDataset, CheckedADE20KDataset, CheckedSegDataset, DatasetError,
                                        ToyRoadsDataset)
from tests.test_datasets.small_files import write_image, write_labels

CLASSES = ('road', 'sky', 'car')
PALETTE = [[0, 0, 0], [1, 1, 1], [2, 2, 2]]
PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadLabels')]


class Streets(CheckedSegDataset):
    METAINFO = dict(classes=CLASSES, palette=PALETTE)


class PlainStreets(BaseSegDataset):
    METAINFO = dict(classes=CLASSES, palette=PALETTE)


@pytest.fixture
def streets(tmp_path):
    """Images beside depth maps, in a folder and a sub-folder, with labels of every class."""
    for index, name in enumerate(('a', 'b', 'u/c', 'u/d')):
        write_image(tmp_path / f'images/{name}_rgb.png', seed=index)
        write_labels(tmp_path / f'labels/{name}_mask.png', values=(0, 1, 2, 255))
    return tmp_path


def build(kind, root, pipeline=PIPELINE, **options):
    prefix = dict(img_path='images', seg_map_path='labels')
    return kind(data_root=str(root), data_prefix=prefix, pipeline=pipeline, **options)


def paths(dataset):
    return [(info['img_path'], info['seg_map_path']) for info in map(dataset.get_data_info, range(len(dataset)))]


@pytest.mark.parametrize('lines', ['a\nu/d\nb\n', 'u/c\n', ' b \n\n a'])
def test_a_list_chooses_images_in_its_order(streets, lines):
    (streets / 'val.txt').write_text(lines)
    options = dict(ann_file='val.txt', img_suffix='_rgb.png', seg_map_suffix='_mask.png')
    # mmseg takes empty lines for images without a name.
    expected = [pair for pair in paths(build(PlainStreets, streets, pipeline=[], **options)) if '/_rgb' not in pair[0]]
    assert paths(build(Streets, streets, **options)) == expected


def test_a_list_needs_no_suffix(streets):
    (streets / 'val.txt').write_text('u/c_rgb.png\na_rgb\n')
    dataset = build(Streets, streets, ann_file='val.txt', image_tails=('_rgb', ), label_tails=('_mask', ))
    assert [path.rpartition('/')[2] for path, _ in paths(dataset)] == ['c_rgb.png', 'a_rgb.png']


def test_lines_without_an_image_are_named_or_left_out(streets):
    (streets / 'val.txt').write_text('a\ngone\n')
    options = dict(ann_file='val.txt', img_suffix='_rgb.png', seg_map_suffix='_mask.png')
    with pytest.raises(DatasetError, match='val.txt lists gone'):
        build(Streets, streets, **options)
    dataset = build(Streets, streets, skip_broken=True, **options)
    assert len(dataset) == 1 and dataset.skipped == ['gone']


@pytest.mark.parametrize('content, message', [(None, 'cannot be read'), (' \n', 'lists no image')])
def test_a_list_that_is_none_is_named(streets, content, message):
    if content is not None:
        (streets / 'val.txt').write_text(content)
    with pytest.raises(DatasetError, match=f'val.txt {message}'):
        build(Streets, streets, ann_file='val.txt', img_suffix='_rgb.png', seg_map_suffix='_mask.png')


def test_images_that_are_not_listed_need_no_label(streets):
    (streets / 'labels/b_mask.png').unlink()
    (streets / 'val.txt').write_text('a\n')
    assert len(build(Streets, streets, ann_file='val.txt', img_suffix='_rgb.png', seg_map_suffix='_mask.png')) == 1


def test_suffixes_choose_files_as_in_mmseg(streets):
    write_image(streets / 'images/a_depth.png')
    options = dict(img_suffix='_rgb.png', seg_map_suffix='_mask.png')
    assert paths(build(Streets, streets, **options)) == paths(build(PlainStreets, streets, pipeline=[], **options))


@pytest.mark.parametrize('loader', ['LoadLabels', 'LoadAnnotations'])
@pytest.mark.parametrize('ignored', [0, 2, 255])
def test_the_ignored_class_becomes_void(streets, ignored, loader):
    pipeline = [dict(type='LoadImageFromFile'), dict(type=loader)]
    options = dict(img_suffix='_rgb.png', seg_map_suffix='_mask.png', pipeline=pipeline)
    plain = build(Streets, streets, **options)[0]['gt_seg_map']
    found = build(Streets, streets, ignore_index=ignored, **options)[0]['gt_seg_map']
    assert np.array_equal(found, np.where(plain == ignored, 255, plain)) and {0, 1, 2, 255} == set(plain.ravel().tolist())


def test_a_class_is_ignored_under_the_number_that_it_has_after_the_label_map(streets):
    """With the classes sky and car, sky is 0."""
    options = dict(img_suffix='_rgb.png', seg_map_suffix='_mask.png', metainfo=dict(classes=('sky', 'car')))
    plain = build(Streets, streets, **options)[0]['gt_seg_map']
    found = build(Streets, streets, ignore_index=0, **options)[0]['gt_seg_map']
    assert np.array_equal(found, np.where(plain == 0, 255, plain)) and (plain == 0).any()


@pytest.mark.parametrize('ignored', [-100, 256, None])
def test_an_index_that_no_label_has_is_refused(streets, ignored):
    with pytest.raises(ValueError, match=f'ignore_index={ignored}.*255'):
        build(Streets, streets, ignore_index=ignored)


def test_rendered_streets_are_ignored_too():
    pipeline = [dict(type='RenderToyRoads')]
    plain, found = (ToyRoadsDataset(length=1, pipeline=pipeline, ignore_index=index)[0]['gt_seg_map'] for index in (255, 0))
    assert np.array_equal(found, np.where(plain == 0, 255, plain)) and (plain == 0).any()


def test_reduce_zero_label_can_be_switched_off(tmp_path):
    write_image(tmp_path / 'images/validation/a.png')
    labels = write_labels(tmp_path / 'annotations/validation/a.png', values=(0, 1, 149))
    dataset = CheckedADE20KDataset(data_root=str(tmp_path), reduce_zero_label=False, pipeline=PIPELINE)
    assert np.array_equal(dataset[0]['gt_seg_map'], labels)


def test_masks_of_images_that_are_not_listed_are_left_out(tmp_path):
    for name in 'ab':
        write_image(tmp_path / f'images/{name}.png')
        write_labels(tmp_path / f'labels_masks/{name}_labels_semantic.png')
    (tmp_path / 'list.txt').write_text('b\n')
    dataset = AnomalyDataset(str(tmp_path), layout='segment_me_if_you_can', ann_file='list.txt')
    assert [path[-5:] for path, _ in paths(dataset)] == ['b.png']


def test_a_prefix_without_labels_is_named(streets):
    with pytest.raises(DatasetError, match='data_prefix=.*names no seg_map_path'):
        Streets(data_root=str(streets), data_prefix=dict(img_path='images'))


def test_classes_may_come_with_the_config(streets):
    dataset = build(CheckedSegDataset, streets, img_suffix='_rgb.png', seg_map_suffix='_mask.png',
                    metainfo=dict(classes=CLASSES, palette=PALETTE))
    assert dataset.label_values == [0, 1, 2, 255]


@pytest.mark.parametrize('spoil', ['float', 'colour', 'huge'])
def test_labels_that_are_no_class_indices_are_named_then_skipped(streets, spoil, monkeypatch):
    path = streets / 'labels/a_mask.png'
    if spoil == 'float':
        path.unlink()
        path = path.with_suffix('.tif')
        cv2.imwrite(str(path), np.ones((12, 20), np.float32))
    elif spoil == 'colour':
        write_image(path)
    else:
        cv2.imwrite(str(path), np.zeros((300, 400), np.uint8))
        monkeypatch.setattr('PIL.Image.MAX_IMAGE_PIXELS', 50000)
    options = dict(image_tails=('_rgb', ), label_tails=('_mask', ))
    with pytest.raises(DatasetError, match='a_mask'):
        build(Streets, streets, **options)[0]
    dataset = build(Streets, streets, skip_broken=True, **options)
    assert len(dataset) == 3 and [path[-9:] for path in dataset.skipped] == ['a_rgb.png']

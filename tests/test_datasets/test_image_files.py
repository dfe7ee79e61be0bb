"""Files are read as stored, or refused by name."""
import cv2
import numpy as np
import pytest
from PIL import Image

from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.datasets.image_files import (check_image_file, check_labels, index_by_stem, list_images, read_labels,
                                                    walk_files)
from tests.test_datasets.small_files import write_image


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.webp'])
def test_whole_files_pass_and_every_cut_is_noticed(suffix):
    image = np.random.default_rng(0).integers(0, 256, (24, 31, 3), dtype=np.uint8)
    content = cv2.imencode(suffix, image)[1].tobytes()
    check_image_file('x', content)
    for length in (0, 64, len(content) // 2, len(content) - 20):
        with pytest.raises(DatasetError, match='x (is empty|was cut off)'):
            check_image_file('x', content[:length])


def test_palette_images_give_their_indices(tmp_path):
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4) % 5
    image = Image.fromarray(labels, mode='P')
    image.putpalette(list(range(255, 240, -1)))
    image.save(tmp_path / 'a.png')
    assert np.array_equal(read_labels(tmp_path / 'a.png'), labels)


def test_binary_and_grey_colour_images_are_labels_too(tmp_path):
    labels = np.array([[0, 1], [1, 0]], np.uint8)
    Image.fromarray(labels.astype(bool)).save(tmp_path / 'a.png')
    Image.fromarray(np.repeat(labels[..., None], 3, 2)).save(tmp_path / 'b.png')
    for name in 'ab':
        assert np.array_equal(read_labels(tmp_path / f'{name}.png'), labels)


def test_16_bit_labels_are_not_cut_to_8_bits(tmp_path):
    Image.fromarray(np.full((2, 2), 257, np.uint16)).save(tmp_path / 'a.png')
    with pytest.raises(DatasetError, match=r'holds the label values \[257\] in 4 pixels'):
        check_labels(read_labels(tmp_path / 'a.png'), 'a.png', 'b.png', (2, 2), (0, 1, 255))


def test_missing_label_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match='gone.png is missing'):
        read_labels(tmp_path / 'gone.png')


def test_keys_keep_sub_folders_and_drop_one_tail(tmp_path):
    for name in ('u/a_labels.png', 'v/a_labels_labels.png'):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(np.zeros((1, 1), np.uint8)).save(tmp_path / name)
    assert list(index_by_stem(tmp_path, ('_labels', ))) == ['u/a', 'v/a_labels']


@pytest.mark.parametrize('suffix, tail', [
    ('.jpg', b'ftypmp42' + bytes(range(256)) * 40 + b'\xff\xda\x00\x01'),
    ('.jpg', b'\xff\xd8\xff\xda'),
    ('.png', bytes(10000)),
])
def test_what_follows_a_whole_image_is_no_fault(suffix, tail):
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    check_image_file('x', cv2.imencode(suffix, image)[1].tobytes() + tail)


@pytest.mark.parametrize('options', [[cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]])
def test_every_cut_of_a_jpeg_of_several_scans_or_restarts_is_noticed(options):
    image = np.random.default_rng(2).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    content = cv2.imencode('.jpg', image, options)[1].tobytes()
    check_image_file('x', content)
    for length in range(100, len(content) - 1, 97):
        with pytest.raises(DatasetError, match='cut off'):
            check_image_file('x', content[:length])


def test_a_thumbnail_does_not_end_the_photo(tmp_path):
    small = Image.new('RGB', (8, 8))
    photo = Image.fromarray(np.random.default_rng(3).integers(0, 256, (50, 70, 3), np.uint8))
    small.save(tmp_path / 'small.jpg')
    inner = (tmp_path / 'small.jpg').read_bytes()
    photo.save(tmp_path / 'a.jpg')
    content = (tmp_path / 'a.jpg').read_bytes()
    content = content[:2] + b'\xff\xe1' + (len(inner) + 2).to_bytes(2, 'big') + inner + content[2:]
    check_image_file('a.jpg', content)
    with pytest.raises(DatasetError, match='cut off'):
        check_image_file('a.jpg', content[:len(inner) + 500])


def test_float_labels_are_named(tmp_path):
    Image.fromarray(np.ones((3, 4), np.float32)).save(tmp_path / 'a.tif')
    with pytest.raises(DatasetError, match='a.tif holds float32 values.*integers'):
        read_labels(tmp_path / 'a.tif')


@pytest.mark.parametrize('value', [-1, 2**30])
def test_values_of_32_bits_are_named(tmp_path, value):
    Image.fromarray(np.array([[0, value], [1, 255]], np.int32)).save(tmp_path / 'a.tif')
    with pytest.raises(DatasetError, match=rf'label values \[{value}\] in 1 pixels'):
        check_labels(read_labels(tmp_path / 'a.tif'), 'a.tif', 'a.png', (2, 2), (0, 1, 255))


def test_transparency_is_no_label(tmp_path):
    labels = np.array([[0, 1], [1, 0]], np.uint8)
    Image.fromarray(np.stack([labels, 255 - labels], axis=-1), 'LA').save(tmp_path / 'a.png')
    assert np.array_equal(read_labels(tmp_path / 'a.png'), labels)


def test_labels_are_as_large_as_images_may_be(tmp_path, monkeypatch):
    Image.new('L', (40, 30)).save(tmp_path / 'a.png')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    assert read_labels(tmp_path / 'a.png').shape == (30, 40) and Image.MAX_IMAGE_PIXELS == 100
    monkeypatch.setattr('mmseg_uncertainty.datasets.image_files.LARGEST_IMAGE', 1000)
    with pytest.raises(DatasetError, match='a.png has 40×30 pixels'):
        read_labels(tmp_path / 'a.png')


def test_linked_folders_are_followed_and_loops_end(tmp_path):
    write_image(tmp_path / 'elsewhere/b.png')
    write_image(tmp_path / 'data/a.png')
    (tmp_path / 'data/linked').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'elsewhere/back').symlink_to(tmp_path / 'data')
    (tmp_path / 'data/self').symlink_to(tmp_path / 'data')
    found = [path.relative_to(tmp_path / 'data').as_posix() for path in list_images(tmp_path / 'data')]
    assert found == ['a.png', 'linked/b.png']


def test_two_links_to_one_folder_are_two_folders(tmp_path):
    write_image(tmp_path / 'data/real/a.png')
    for name in ('one', 'two'):
        (tmp_path / 'data' / name).symlink_to(tmp_path / 'data/real')
    assert len(list(walk_files(tmp_path / 'data'))) == 3


def test_a_suffix_chooses_files_and_is_no_part_of_the_key(tmp_path):
    for name in ('a_image.png', 'a_depth.png', 'b/c_image.png'):
        write_image(tmp_path / name)
    assert list(index_by_stem(tmp_path, suffix='_image.png')) == ['a', 'b/c']
    with pytest.raises(DatasetError, match="ends in '_photo.png'.*img_suffix"):
        index_by_stem(tmp_path, suffix='_photo.png')


def test_a_jpeg_without_pixels_is_not_whole():
    with pytest.raises(DatasetError, match='cut off'):
        check_image_file('x', b'\xff\xd8\xff\xd9')


def test_a_text_that_begins_as_an_image_does_is_named(tmp_path):
    (tmp_path / 'a.png').write_bytes(b'P3 is what I am not\n')
    with pytest.raises(DatasetError, match=r'a\.png cannot be read'):
        read_labels(tmp_path / 'a.png')

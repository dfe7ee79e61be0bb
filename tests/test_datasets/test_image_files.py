"""Files are read as stored, or refused by name."""
import cv2
import numpy as np
import pytest
from PIL import Image

from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.datasets.image_files import check_image_file, check_labels, index_by_stem, read_labels


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

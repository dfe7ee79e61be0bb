"""Every kind of image reads as three channels of eight bits, and every fault names its file."""
import cv2
import numpy as np
import pytest
from PIL import Image

from mmseg_uncertainty.runtime.image_sources import ImageSource, find_images, read_image
from mmseg_uncertainty.datasets import DatasetError


@pytest.fixture
def street():
    return np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)


def read(path, **options):
    return read_image(find_images(path)[0], **options)


@pytest.mark.parametrize('mode', ['L', 'RGBA', 'P', 'RGB', '1'])
def test_modes_read_as_colour(mode, street, tmp_path):
    picture = Image.fromarray(street).convert(mode)
    picture.save(tmp_path / 'street.png')
    expected = np.asarray(picture.convert('RGB'))[..., ::-1]
    np.testing.assert_array_equal(read(tmp_path / 'street.png'), expected)


def test_sixteen_bits_keep_the_upper_eight(street, tmp_path):
    wide = street[..., 0].astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / 'wide.png'), wide)
    np.testing.assert_array_equal(read(tmp_path / 'wide.png'), np.repeat(street[..., :1], 3, axis=2))
    np.testing.assert_array_equal(read(wide), np.repeat(street[..., :1], 3, axis=2))


def test_orientation_of_the_camera_is_undone(street, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(street).save(tmp_path / 'turned.jpg', exif=exif, quality=95)
    Image.fromarray(street).save(tmp_path / 'flat.jpg', quality=95)
    np.testing.assert_array_equal(read(tmp_path / 'turned.jpg'), np.rot90(read(tmp_path / 'flat.jpg'), -1))


def test_arrays_in_either_channel_order(street):
    alpha = np.dstack([street, street[..., 0]])
    np.testing.assert_array_equal(read(street), street)
    np.testing.assert_array_equal(read(alpha, channel_order='rgb'), street[..., ::-1])
    np.testing.assert_array_equal(read(street[..., :1]), read(street[..., 0]))


@pytest.mark.parametrize('array, message', [
    (np.zeros((4, 5, 3), np.float32), 'float32, expected uint8'),
    (np.zeros((4, 5, 2), np.uint8), r'\(4, 5, 2\), expected'),
    (np.zeros((0, 5, 3), np.uint8), 'at least one pixel')])
def test_wrong_arrays(array, message):
    with pytest.raises(DatasetError, match=message):
        read(array)


def test_broken_files_are_named(street, tmp_path):
    Image.fromarray(street).save(tmp_path / 'whole.jpg')
    contents = dict(cut=(tmp_path / 'whole.jpg').read_bytes()[:600], text=b'no picture at all', empty=b'')
    for name, content in contents.items():
        (tmp_path / f'{name}.jpg').write_bytes(content)
        with pytest.raises(DatasetError, match=f'{name}.jpg'):
            read(tmp_path / f'{name}.jpg')


def test_folders_patterns_and_lists(street, tmp_path):
    for name in ('a.png', 'a.jpg', 'b.png', 'deep/a.png', 'deep/note.txt'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'x')
    assert [source.name for source in find_images(tmp_path)] == ['a.jpg', 'a.png', 'b', 'deep/a']
    assert [source.name for source in find_images(f'{tmp_path}/*.png')] == ['a', 'b']
    names = [source.name for source in find_images([tmp_path / 'a.png', str(tmp_path / 'deep'), street])]
    assert len(set(names)) == 3 and names[-1] == 'array_000002'


@pytest.mark.parametrize('name, message', [
    ('nothing', 'does not exist'), ('empty', 'holds no image'), ('*.png', 'No image')])
def test_nothing_to_predict(name, message, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DatasetError, match=message):
        find_images(tmp_path / name)


def test_a_folder_of_videos_says_how_videos_are_predicted(street, tmp_path):
    (tmp_path / 'day').mkdir()
    (tmp_path / 'day/drive.mp4').write_bytes(b'x')
    with pytest.raises(DatasetError, match=r'day holds no image .*Videos are named one by one .*day/drive.mp4') as raised:
        find_images(tmp_path / 'day')
    assert '--data-root' not in str(raised.value)
    Image.fromarray(street).save(tmp_path / 'day/a.png')
    assert [source.name for source in find_images(tmp_path / 'day')] == ['a']
    assert [source.name for source in find_images(f'{tmp_path}/day/*')] == ['a', 'drive']


def test_unknown_channel_order(street):
    with pytest.raises(ValueError, match='channel_order'):
        read_image(ImageSource('a', street), 'gbr')


def test_results_of_an_earlier_run_are_no_images(street, tmp_path):
    images, out = tmp_path / 'images', tmp_path / 'images/predicted'
    for name in ('a.png', 'labels/b.png', 'predicted/labels/a.png', 'predicted/overlays/msp/a.png',
                 'predicted/figures/a.png'):
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(street).save(images / name)
    (out / 'summaries').mkdir()
    for inputs in (images, f'{images}/**/*.png'):
        found = [source.content.relative_to(images).as_posix() for source in find_images(inputs, out)]
        assert found == ['a.png', 'labels/b.png']
    assert len(find_images(images)) == 5
    assert len(find_images(out / 'labels', out)) == len(find_images(f'{out}/labels/*.png', out)) == 1
    with pytest.raises(DatasetError, match='nothing but the results'):
        find_images(out, out)


def test_a_folder_that_is_named_like_results_is_read(street, tmp_path):
    (tmp_path / 'labels').mkdir()
    Image.fromarray(street).save(tmp_path / 'labels/a.png')
    assert len(find_images(tmp_path, tmp_path)) == 1


def test_long_names_leave_room_for_suffixes_and_stay_apart(street, tmp_path):
    for last in 'ab':
        cv2.imencode('.png', street)[1].tofile(str(tmp_path / f'{"测" * 82}{last}.png'))
    names = [source.name for source in find_images(tmp_path)]
    assert len(set(names)) == 2 and all(len(f'{name}_1000.json'.encode()) <= 255 for name in names)
    assert names[0].startswith('测' * 70)


def test_the_size_is_looked_up_before_an_image_is_decoded(street, tmp_path, monkeypatch):
    for suffix in ('png', 'jpg', 'webp', 'bmp', 'tif'):
        Image.fromarray(street).save(tmp_path / f'street.{suffix}')
        path = tmp_path / f'street.{suffix}'
        assert read(path, max_pixels=37 * 53).shape == street.shape
        with monkeypatch.context() as patch:
            patch.setattr(cv2, 'imdecode', None)
            with pytest.raises(DatasetError, match=rf'street.{suffix} has 53×37 pixels, expected 1,960 at most'):
                read(path, max_pixels=37 * 53 - 1)


def test_files_without_a_header_are_refused_where_the_size_matters(tmp_path):
    (tmp_path / 'a.png').write_bytes(b'#?RADIANCE')
    with pytest.raises(DatasetError, match='a.png is not an image whose header tells its size'):
        read(tmp_path / 'a.png', max_pixels=10)


def test_files_that_cannot_be_opened_are_named(tmp_path):
    (tmp_path / 'gone.png').symlink_to(tmp_path / 'nowhere.png')
    with pytest.raises(DatasetError, match='gone.png cannot be opened'):
        read_image(find_images(tmp_path)[0])

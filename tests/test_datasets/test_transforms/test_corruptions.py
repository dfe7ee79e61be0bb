"""Corruptions agree with the library, with each other and with themselves."""
import imagecorruptions
import numpy as np
import pytest
from torch.utils.data import DataLoader, Dataset

from mmseg_uncertainty.datasets import CORRUPTIONS, Corruptions

SMOOTH = np.clip(
    np.add.outer(np.arange(37) * 4, np.arange(53) * 2)[..., None] + np.array([0, 30, 60]), 0, 255).astype(np.uint8)


def corrupted(image, corruption, severity=2, path='a/x.png', seed=0):
    return Corruptions(corruption, severity, seed).transform(dict(img=image.copy(), img_path=path))['img']


def test_names_are_those_of_the_library():
    assert set(CORRUPTIONS) == set(imagecorruptions.get_corruption_names('all')) and len(CORRUPTIONS) == 19


@pytest.mark.parametrize('corruption', CORRUPTIONS)
def test_every_size_and_severity(corruption):
    for size in ((12, 15), (37, 53), (90, 128)):
        image = np.resize(SMOOTH, (*size, 3))
        for severity in (1, 5):
            result = corrupted(image, corruption, severity)
            assert result.shape == image.shape and result.dtype == np.uint8 and result.flags['C_CONTIGUOUS']
            assert (result != image).any()


@pytest.mark.parametrize('corruption', CORRUPTIONS)
def test_image_is_rgb_inside_and_bgr_outside(corruption):
    transform = Corruptions(corruption, 3)
    seed = transform.image_seed('x.png')
    np.random.seed(seed)
    options = {'seed': seed} if corruption in ('glass_blur', 'impulse_noise') else {}
    image = np.resize(SMOOTH, (64, 80, 3))
    expected = imagecorruptions.corrupt(image, 3, corruption, **options)
    result = transform.transform(dict(img=np.ascontiguousarray(image[..., ::-1]), img_path='x.png'))['img']
    assert np.array_equal(result[..., ::-1], expected)


@pytest.mark.parametrize('corruption', CORRUPTIONS)
def test_runs_agree_whatever_happened_before(corruption):
    np.random.seed(1)
    first = corrupted(SMOOTH, corruption)
    np.random.seed(2)
    assert np.array_equal(first, corrupted(SMOOTH, corruption))


@pytest.mark.parametrize('corruption', ['gaussian_noise', 'snow', 'glass_blur', 'impulse_noise', 'elastic_transform'])
def test_images_and_seeds_differ_but_folders_do_not(corruption):
    first = corrupted(SMOOTH, corruption)
    assert not np.array_equal(first, corrupted(SMOOTH, corruption, path='a/y.png'))
    assert not np.array_equal(first, corrupted(SMOOTH, corruption, seed=1))
    assert np.array_equal(first, corrupted(SMOOTH, corruption, path='/elsewhere/x.png'))


@pytest.mark.parametrize('corruption', CORRUPTIONS)
def test_global_random_state_is_left_alone(corruption):
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    corrupted(SMOOTH, corruption)
    assert np.random.random() == expected


def test_global_random_state_is_left_alone_after_an_error():
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    with pytest.raises(Exception, match='.'):
        corrupted(SMOOTH[..., :1].astype(np.float32), 'fog')
    assert np.random.random() == expected


def test_severity_0_leaves_the_image_untouched():
    results = dict(img=SMOOTH, img_path='x.png')
    assert Corruptions('fog', 0).transform(results)['img'] is SMOOTH


@pytest.mark.parametrize('corruption', ['gaussian_noise', 'contrast', 'pixelate', 'gaussian_blur', 'impulse_noise'])
def test_higher_severity_moves_further_away(corruption):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    moved = [np.abs(corrupted(image, corruption, severity).astype(int) - image).mean() for severity in range(6)]
    assert moved[0] == 0 and np.all(np.diff(moved) > 0)


class Images(Dataset):

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return corrupted(SMOOTH, 'snow', path=f'{index}.png')


def test_workers_agree():
    serial, parallel = (np.concatenate([np.asarray(batch) for batch in DataLoader(Images(), num_workers=workers)])
                        for workers in (0, 2))
    assert np.array_equal(serial, parallel)


def test_unknown_name_lists_the_known_ones_at_construction():
    with pytest.raises(ValueError, match="'snoww' is unknown; choose from .*gaussian_noise.*snow.*saturate"):
        Corruptions('snoww')


@pytest.mark.parametrize('severity', [-1, 6, 2.5])
def test_severity_out_of_range_is_named(severity):
    with pytest.raises(ValueError, match=f'severity={severity} is out of range.*0.*5'):
        Corruptions('snow', severity)


def test_the_extra_is_named_before_anything_is_measured(monkeypatch):
    monkeypatch.setattr('mmseg_uncertainty.datasets.transforms.corruptions.find_spec', lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "mmseg_uncertainty\[corruptions\]"'):
        Corruptions('fog')
    assert Corruptions('fog', severity=0).transform(dict(img=SMOOTH))['img'] is SMOOTH

"""Objects of no class."""
import cv2
import numpy as np
import pytest

from mmseg_uncertainty.datasets import DatasetError, PasteOutliers
from mmseg_uncertainty.datasets.transforms.paste_outliers import random_shape


def sample():
    return dict(img=np.full((90, 120, 3), 100, np.uint8), gt_seg_map=np.arange(90 * 120).reshape(90, 120).astype(np.uint8) % 11)


def pasted(seed, **options):
    np.random.seed(seed)
    return PasteOutliers(**options).transform(sample())


def test_only_labelled_objects_change_and_inputs_do_not():
    before = sample()
    results = [pasted(seed) for seed in range(20)]
    for result in results:
        outlier = result['gt_seg_map'] == 253
        np.testing.assert_array_equal(result['gt_seg_map'][~outlier], before['gt_seg_map'][~outlier])
        np.testing.assert_array_equal(result['img'][~outlier], before['img'][~outlier])
        assert (result['img'][outlier] != 100).any(axis=-1).mean() > .9
    assert len({result['gt_seg_map'].tobytes() for result in results}) == 20


def test_labels_of_another_size_are_named():
    with pytest.raises(DatasetError, match='street.png is 120×90 at this step .* labels are 60×45. Load the labels'):
        PasteOutliers().transform(dict(sample(), gt_seg_map=np.zeros((45, 60), np.uint8), img_path='street.png'))


def test_the_seed_decides():
    np.testing.assert_array_equal(pasted(3)['img'], pasted(3)['img'])


def test_images_lend_their_texture(tmp_path):
    stripes = np.zeros((50, 50, 3), np.uint8)
    stripes[::2] = (0, 0, 250)
    cv2.imwrite(str(tmp_path / 'stripes.png'), stripes)
    result = pasted(1, source=str(tmp_path), noise_share=0., size=(60, 60))
    inside = result['img'][result['gt_seg_map'] == 253].astype(int)
    # Turned hues keep their saturation: every pixel is black, red in another hue, or a blend of the two.
    assert (inside.min(axis=-1) <= inside.max(axis=-1) * .2 + 3).mean() > .95 and inside.max() > 100


@pytest.mark.parametrize('diameter', [8, 40])
def test_shapes_are_about_as_large_as_asked_and_below_the_sky(diameter):
    np.random.seed(0)
    for _ in range(30):
        rows, columns = np.nonzero(random_shape((300, 400), diameter))
        assert np.ptp(rows) <= diameter + 2 and np.ptp(columns) <= 1.6 * diameter + 2
        assert rows.min() > 100 - diameter


def test_impossible_options_and_empty_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match=r'count=\(3, 1\)'):
        PasteOutliers(count=(3, 1))
    with pytest.raises(DatasetError, match=str(tmp_path)):
        PasteOutliers(source=str(tmp_path))

import cv2
import numpy as np
import pytest

from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.datasets.transforms import LoadDistances
from mmseg_uncertainty.functional.distances import ground_distance

SAMPLE = dict(img_path='images/a_left.png', ori_shape=(2, 3))
STEREO = dict(focal=2000., baseline=0.2)


def test_files_hold_metres_or_disparities(tmp_path):
    steps = np.array([[0, 257, 513], [1281, 2561, 1]], np.uint16)
    cv2.imwrite(str(tmp_path / 'a_disparity.png'), steps)
    load = LoadDistances(tmp_path, 1 / 256, 1, STEREO, image_tail='_left', tail='_disparity')
    found = load(dict(SAMPLE))['gt_depth_map']
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[np.inf, 400, 200], [80, 40, np.inf]])
    np.save(tmp_path / 'a_left.npy', np.array([[1.5, 0, 3], [np.nan, 5, 6]]))
    found = LoadDistances(tmp_path)(dict(SAMPLE))['gt_depth_map']
    np.testing.assert_allclose(found, [[1.5, np.inf, 3], [np.inf, 5, 6]])


def test_without_files_the_ground_is_flat():
    ground = dict(horizon=0., focal=10., height=1.)
    assert (LoadDistances(ground=ground)(dict(SAMPLE))['gt_depth_map'] == ground_distance((2, 3), **ground)).all()


def test_what_does_not_fit_is_named(tmp_path):
    with pytest.raises(ValueError, match='give folder or ground, and not both'):
        LoadDistances()
    with pytest.raises(DatasetError, match='holds no distances for images/a_left.png; expected a_left.npy'):
        LoadDistances(tmp_path)(dict(SAMPLE))
    np.save(tmp_path / 'a_left.npy', np.ones((3, 3)))
    with pytest.raises(DatasetError, match='a_left.npy has .3, 3. values, its image'):
        LoadDistances(tmp_path)(dict(SAMPLE))
    (tmp_path / 'a_left.npy').write_bytes(b'no array')
    with pytest.raises(DatasetError, match='a_left.npy cannot be read as distances'):
        LoadDistances(tmp_path)(dict(SAMPLE))

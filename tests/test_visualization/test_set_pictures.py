import numpy as np
import pytest
from matplotlib import image

from mmseg_uncertainty.visualization import set_pictures

SIZES = np.array([[0, 1, 2], [3, 4, 1]])


def test_types_name_every_size():
    types = [set_pictures.SET_TYPES[index] for index in set_pictures.set_types(np.arange(5), 4)]
    assert types == ['empty', 'one class', 'several classes', 'several classes', 'all classes']


def test_one_size_has_one_colour_in_every_picture(tmp_path):
    mixed = image.imread(set_pictures.plot_set_sizes(SIZES, 4, tmp_path / 'a.png'))
    plain = image.imread(set_pictures.plot_set_sizes(np.full((2, 3), 4), 4, tmp_path / 'b.png'))
    centre = plain[plain.shape[0] // 2, plain.shape[1] // 3]
    assert (mixed == centre).all(axis=-1).sum() > 1000


@pytest.mark.parametrize('draw', [
    lambda path: set_pictures.plot_set_types(SIZES, 4, path),
    lambda path: set_pictures.plot_groups(np.arange(60).reshape(6, 10), path),
    lambda path: set_pictures.plot_coverage_error(np.array([[0.1, np.nan]]), path),
    lambda path: set_pictures.plot_risk_curves(np.geomspace(1e-3, 1, 9), dict(miscoverage=np.linspace(0, 1, 9)),
                                                np.linspace(4, 1, 9), path, 'risk', dict(CRC=0.1))])
def test_pictures_are_written_where_asked(draw, tmp_path):
    path = draw(tmp_path / 'new' / 'picture.png')
    assert image.imread(path).std() > 0.01

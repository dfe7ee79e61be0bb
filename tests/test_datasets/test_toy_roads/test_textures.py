"""Noise of the rendered surfaces."""
import numpy as np
import pytest

from mmseg_uncertainty.datasets.toy_roads.textures import TILE, fraction, look_up, noise_tile, patch, smooth_noise


@pytest.mark.parametrize('cell', [1, 4, 16])
def test_noise_stays_in_range_and_uses_it(cell):
    for noise in (smooth_noise(np.random.default_rng(0), (50, 70), cell), noise_tile(cell)):
        assert np.abs(noise).max() <= 1 and noise.std() > 0.15


def test_larger_cells_are_smoother():
    steps = [np.abs(np.diff(smooth_noise(np.random.default_rng(0), (64, 64), cell))).mean() for cell in (1, 4, 16)]
    assert steps[0] > 2 * steps[1] > 4 * steps[2]


def test_tiles_repeat():
    rows, columns = np.array([3.7, -5.2]), np.array([8.1, 0.4])
    assert np.array_equal(look_up(noise_tile(4), rows, columns), look_up(noise_tile(4), rows + TILE, columns - TILE))


def test_patches_are_cut_from_the_tile():
    cut = patch(np.random.default_rng(1), (5, 9), 4)
    assert cut.shape == (5, 9) and np.isin(cut, noise_tile(4)).all()


def test_fraction_of_negative_numbers():
    assert np.allclose(fraction(np.array([-0.25, 1.5])), [0.75, 0.5])

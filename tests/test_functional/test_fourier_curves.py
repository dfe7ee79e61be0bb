"""Fourier curves: what is fitted and what is drawn are the same curves."""
import numpy as np
import pytest
import torch

from mmseg_uncertainty.functional import fourier_curves
from mmseg_uncertainty.functional.fourier_curves import fit_fourier_curves, fourier_group_map

SIZE = (17, 22)


def test_narrow_borders_give_the_groups_of_the_map():
    generator = torch.Generator().manual_seed(0)
    coefficients = 0.2 * torch.randn(2, 5, generator=generator, dtype=torch.float64)
    coefficients[:, 0] += 1.2
    centre = torch.tensor([2.3, -3.6], dtype=torch.float64)
    soft = fourier_curves._soft_groups(SIZE, coefficients, centre, 1e-6)
    groups = fourier_group_map(SIZE, dict(centre=centre.numpy(), coefficients=coefficients.numpy()))
    assert len(np.unique(groups)) == 3
    np.testing.assert_array_equal(soft.argmax(1).view(SIZE), groups)


@pytest.mark.parametrize('order', [0, 1, 3])
def test_curves_have_two_coefficients_for_each_frequency_and_forget_scale_and_shift_of_the_features(order):
    rows, columns = np.indices(SIZE)
    inside = np.hypot((columns - 12) / 7, (rows - 8) / 4) < 1
    features = np.stack([inside, 0.3 * inside], -1) + 0.02 * np.random.default_rng(0).standard_normal((*SIZE, 2))
    curves = fit_fourier_curves(features, 2, order, iterations=60)
    assert curves['coefficients'].shape == (1, 2 * order + 1)
    again = fit_fourier_curves(4 * features - 3, 2, order, iterations=60)
    np.testing.assert_allclose(again['coefficients'], curves['coefficients'], atol=1e-6)
    assert np.mean(fourier_group_map(SIZE, curves) == ~inside) > (0.9 if order else 0.8)

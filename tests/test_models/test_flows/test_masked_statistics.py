"""Moments of the pixels that count, against NumPy."""
import numpy as np
import pytest
import torch

from mmseg_uncertainty.models.flows.masked_statistics import masked_mean_and_std


@pytest.mark.parametrize('none', [False, True])
def test_moments_are_those_of_the_weighted_pixels(none):
    generator = torch.Generator().manual_seed(0)
    x = 4 + torch.randn(2, 3, 5, 6, generator=generator)
    weight = torch.rand(2, 5, 6, generator=generator) * (0 if none else 1)
    mean, std = masked_mean_and_std(x, weight)
    values, weights = x.movedim(1, -1).reshape(-1, 3).double().numpy(), None if none else weight.flatten().numpy()
    expected = np.average(values, axis=0, weights=weights)
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
    np.testing.assert_allclose(std, np.sqrt(np.average((values - expected)**2, axis=0, weights=weights)), rtol=1e-6)

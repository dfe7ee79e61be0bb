"""Quantiles of counted values, and what scaling leaves alone."""
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from mmseg_uncertainty.functional.activation_shaping import activation_quantile, count_activations, scale_activations


@pytest.mark.parametrize('share', [0.02, 0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize('scale', [1e-6, 1., 1e6])
def test_quantiles_are_those_of_the_values_to_a_cell(share, scale):
    values = scale * torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    counts = sum(count_activations(part) for part in values.split(6_000))
    exact = float(np.quantile(values.numpy(), share))
    assert activation_quantile(counts, share) == pytest.approx(exact, rel=3e-3, abs=1e-3 * scale)


@pytest.mark.parametrize('share', [0.01, 0.5, 0.9])
def test_a_quantile_is_linear_within_a_cell(share):
    equal = count_activations(torch.full((9, ), 3.))
    assert activation_quantile(equal, share) == pytest.approx(3 + share / 256), 'nine bits of the mantissa'


def test_scaling_keeps_directions_and_never_shrinks():
    features = torch.randn(2, 12, 5, 4, generator=torch.Generator().manual_seed(1)).relu()
    scaled = scale_activations(features, 0.75)
    ratio = (scaled.norm(dim=1) / features.norm(dim=1)).log()
    assert (ratio >= 1 - 1e-5).all() and torch.equal(scaled > 0, features > 0)
    assert_close(scale_activations(7 * features, 0.75), 7 * scaled)
    assert_close(scale_activations(features, 0.), np.e * features)


def test_pixels_without_activation_stay_zero():
    assert torch.equal(scale_activations(torch.zeros(1, 4, 2, 2)), torch.zeros(1, 4, 2, 2))

"""Laws of the score filters."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch.testing import assert_close

from mmseg_uncertainty.functional import score_filters

SCIPY_MODE = {'reflect': 'mirror', 'replicate': 'nearest'}


@pytest.mark.parametrize('mode', SCIPY_MODE)
@pytest.mark.parametrize('size', [(1, 1), (1, 9), (2, 3), (12, 7)])
def test_gaussian_smoothing_agrees_with_scipy(mode, size):
    score = torch.randn(2, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = [ndimage.gaussian_filter(one.numpy(), 1.5, mode=SCIPY_MODE[mode], radius=3) for one in score]
    actual = score_filters.gaussian_smoothing(score, 7, 1.5, padding_mode=mode)
    np.testing.assert_allclose(actual, np.stack(expected), atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), height=st.integers(1, 20), width=st.integers(1, 20))
def test_filters_keep_constants_and_the_range(seed, height, width):
    generator = torch.Generator().manual_seed(seed)
    class_map = torch.randint(3, (1, height, width), generator=generator)
    score = torch.rand(1, height, width, generator=generator, dtype=torch.float64)
    filtered = score_filters.suppress_boundaries_and_smooth(score, class_map)
    assert filtered.min() >= score.min() - 1e-12 and filtered.max() <= score.max() + 1e-12
    constant = torch.full_like(score, 3.7)
    assert_close(score_filters.suppress_boundaries_and_smooth(constant, class_map), constant)


def test_suppression_leaves_maps_of_one_class_alone():
    score = torch.randn(2, 6, 9)
    assert torch.equal(score_filters.boundary_suppression(score, torch.full((2, 6, 9), 4)), score)


def test_suppression_removes_a_ridge_along_a_boundary():
    class_map = torch.zeros(1, 20, 20, dtype=torch.long)
    class_map[:, :, 10:] = 1
    score = torch.zeros(1, 20, 20)
    score[:, :, 8:12] = 1
    assert score_filters.boundary_suppression(score, class_map).abs().max() == 0


def test_boundaries_agree_with_scipy_morphology():
    class_map = torch.randint(3, (1, 9, 11), generator=torch.Generator().manual_seed(3))
    array = class_map[0].numpy()
    cross = ndimage.generate_binary_structure(2, 1)
    largest = ndimage.maximum_filter(array, footprint=cross, mode='constant', cval=-1)
    smallest = ndimage.minimum_filter(array, size=3, mode='constant', cval=9)
    np.testing.assert_array_equal(score_filters.class_boundaries(class_map)[0], largest != smallest)


def test_wrong_options_are_named():
    with pytest.raises(ValueError, match='padding_mode'):
        score_filters.gaussian_smoothing(torch.zeros(1, 3, 3), padding_mode='zeros')
    with pytest.raises(ValueError, match='kernel_size=4'):
        score_filters.gaussian_smoothing(torch.zeros(1, 3, 3), kernel_size=4)


def test_suppression_and_smoothing_are_those_of_the_paper_by_default():
    generator = torch.Generator().manual_seed(1)
    score, class_map = torch.rand(1, 30, 40, generator=generator), torch.zeros(1, 30, 40, dtype=torch.long)
    class_map[:, 12:20, 15:30] = 1
    suppressed = score_filters.boundary_suppression(score, class_map, radius=3)
    expected = score_filters.gaussian_smoothing(suppressed, 7, sigma=1.0, dilation=6, padding_mode='replicate')
    assert torch.equal(score_filters.suppress_boundaries_and_smooth(score, class_map), expected)

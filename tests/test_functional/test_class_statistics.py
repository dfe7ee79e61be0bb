"""Class statistics agree with NumPy whatever the batches."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mmseg_uncertainty.functional.class_statistics import (PUBLISHED_CLASS_STATISTICS, Moments,
                                                           correct_top_logit_moments)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(0, 60), min_size=1, max_size=4))
def test_merged_moments_are_those_of_all_values(seed, cuts):
    generator = np.random.default_rng(seed)
    values, classes = 1e4 + generator.normal(size=60), generator.integers(0, 4, 60)
    moments = Moments.empty(5)
    for part in np.split(np.arange(60), sorted(cuts)):
        moments = moments.merge(Moments.of(torch.from_numpy(values[part]), torch.from_numpy(classes[part]), 5))
    mean, variance = moments.mean_and_variance(unseen=(0.0, 1.0))
    for k in range(5):
        chosen = values[classes == k]
        expected = (chosen.mean(), chosen.var()) if len(chosen) > 1 else (0.0, 1.0)
        np.testing.assert_allclose([mean[k], variance[k]], expected, rtol=1e-7)


def test_only_right_pixels_count():
    logits = torch.tensor([[[3.0, 1.0], [5.0, 9.0], [7.0, 2.0]]]).movedim(1, 2)
    moments = correct_top_logit_moments(logits, torch.tensor([[0, 1, 1]]))
    assert moments.count.tolist() == [1, 1]
    assert_close(moments.mean, torch.tensor([3.0, 9.0], dtype=torch.float64))


def test_unseen_classes_get_the_pooled_moments():
    moments = Moments.of(torch.tensor([1.0, 3.0, 5.0, 7.0]), torch.tensor([0, 0, 2, 2]), 3)
    mean, variance = moments.mean_and_variance()
    assert_close(torch.stack([mean[1], variance[1]]), torch.tensor([4.0, 5.0], dtype=torch.float64))


@pytest.mark.parametrize('name', PUBLISHED_CLASS_STATISTICS)
def test_published_constants_cover_the_cityscapes_classes(name):
    means, variances = PUBLISHED_CLASS_STATISTICS[name]
    assert len(means) == len(variances) == 19 and min(variances) > 0


def test_published_constants_add_up_to_what_was_released():
    sums = {'deeplabv3plus_r101-d8': (128.565, 37.641), 'segformer_b2': (56.540, 24.798), 'segformer_b5': (65.283, 32.835)}
    found = {name: tuple(round(sum(values), 3) for values in both) for name, both in PUBLISHED_CLASS_STATISTICS.items()}
    assert found == sums

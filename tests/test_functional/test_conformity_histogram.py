import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmseg_uncertainty.functional.conformity_histogram import (bin_indices, bin_lower_edges, conformal_rank,
                                                               conformity_histogram, histogram_thresholds, scores_needed)

unit = st.floats(0, 1, width=32)


@settings(max_examples=50, deadline=None)
@given(st.lists(unit, min_size=1, max_size=30), st.integers(0, 12))
def test_a_bin_starts_at_or_just_below_its_members(values, bits):
    conformity = torch.tensor(values, dtype=torch.float32)
    edges, index = bin_lower_edges(bits), bin_indices(conformity, bits).numpy()
    exact = conformity.double().numpy()
    assert (edges[index] <= exact).all() and (edges[np.maximum(index - 1, 0)][index > 0] > exact[index > 0]).all()
    large = exact > 2.0**-31
    assert (edges[index][large] >= exact[large] * (1 - 2.0**-bits) - 1e-12).all()


def test_edges_descend_from_one_to_zero():
    edges = bin_lower_edges(5)
    assert edges[0] == 1 and edges[-1] == 0 and (np.diff(edges) < 0).all()


def test_histograms_count_by_group_and_add_up():
    generator = torch.Generator().manual_seed(0)
    conformity, group = torch.rand(500, generator=generator), torch.randint(3, (500,), generator=generator)
    whole = conformity_histogram(conformity, group, 3, 4)
    parts = sum(conformity_histogram(conformity[part], group[part], 3, 4) for part in (slice(0, 99), slice(99, 500)))
    assert torch.equal(whole, parts)
    assert torch.equal(whole.sum(1), torch.bincount(group, minlength=3))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.sampled_from([0.02, 0.1, 0.35]), st.integers(0, 10**6))
def test_thresholds_are_the_ranked_scores_rounded_down(count, alpha, seed):
    conformity = torch.rand(count, generator=torch.Generator().manual_seed(seed))
    histogram = conformity_histogram(conformity, torch.zeros(count, dtype=torch.long), 1, 12).numpy()
    threshold = histogram_thresholds(histogram, alpha)[0]
    rank = int(conformal_rank(count, alpha))
    if rank > count:
        assert np.isnan(threshold)
    else:
        expected = conformity.sort(descending=True)[0][rank - 1].item()
        assert expected * (1 - 2.0**-12) <= threshold <= expected


@pytest.mark.parametrize('count, rank', [(9, 9), (19, 18), (8, 9), (0, 1)])
def test_ranks_of_a_tenth(count, rank):
    assert conformal_rank(count, 0.1) == rank


def test_ranks_are_those_of_exact_arithmetic():
    """1 - 0.7 is a little more than 0.3, which must not cost a rank."""
    count = np.arange(1, 400)
    for part in range(1, 100):
        exact = [math.ceil(Fraction(int(number) + 1) * Fraction(100 - part, 100)) for number in count]
        np.testing.assert_array_equal(conformal_rank(count, part / 100), exact)


@pytest.mark.parametrize('alpha', [0.01, 0.05, 0.1, 0.3, 0.5, 0.9])
def test_the_number_of_scores_needed_is_the_first_with_a_threshold(alpha):
    histograms = np.zeros((200, 34), dtype=np.int64)
    histograms[:, 3] = np.arange(200)
    assert scores_needed(alpha) == np.flatnonzero(~np.isnan(histogram_thresholds(histograms, alpha)))[0]


@pytest.mark.parametrize('broken', [float('nan'), -0.1, 1.1])
def test_what_is_no_conformity_is_refused(broken):
    with pytest.raises(ValueError, match='must lie in'):
        conformity_histogram(torch.tensor([0.5, broken]), torch.zeros(2, dtype=torch.long), 1, 4)

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmseg_uncertainty.functional.conformity_histogram import (bin_indices, bin_lower_edges, conformal_rank,
                                                               conformity_histogram, histogram_thresholds)

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

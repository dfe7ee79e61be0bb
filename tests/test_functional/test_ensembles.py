"""Streamed ensembles."""
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mmseg_uncertainty.functional import mutual_information
from mmseg_uncertainty.functional.ensembles import EnsembleStatistics
from mmseg_uncertainty.functional.sampled_predictions import predictive_entropy, sampled_msp


def streamed(logits):
    statistics = EnsembleStatistics()
    for member in logits:
        statistics.add(member)
    return statistics


def member_logits(seed, members=4):
    return 3 * torch.randn(members, 2, 5, 3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), members=st.integers(1, 5))
def test_streaming_gives_what_all_members_at_once_give_in_any_order(seed, members):
    logits = member_logits(seed, members)
    probabilities = logits.softmax(2)
    for order in (range(members), reversed(range(members))):
        statistics = streamed(logits[list(order)])
        assert_close(statistics.mean(), probabilities.mean(0))
        assert_close(statistics.entropy(), predictive_entropy(probabilities))
        assert_close(statistics.msp(), sampled_msp(probabilities))
        assert_close(statistics.mutual_information(), mutual_information(probabilities), atol=1e-12, rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_disagreement_is_bounded_and_none_among_equals(seed):
    logits = member_logits(seed)
    information = streamed(logits).mutual_information()
    assert (information >= 0).all() and (information <= math.log(4) + 1e-12).all()
    assert_close(streamed(logits[:1].expand(3, *logits.shape[1:])).mutual_information(),
                 torch.zeros_like(information), atol=1e-12, rtol=0)


def test_opposite_members_disagree_by_one_bit():
    logits = torch.tensor([[[[50.]], [[-50.]]], [[[-50.]], [[50.]]]]).unsqueeze(1)
    assert streamed(logits).mutual_information().item() == pytest.approx(math.log(2))
    with pytest.raises(ValueError, match='no model was added'):
        EnsembleStatistics().mean()


def test_sums_of_one_image_are_those_of_its_members():
    logits = member_logits(0)
    whole = streamed(logits)
    parts = [whole.of(index) for index in range(2)]
    for index, part in enumerate(parts):
        alone = streamed(logits[:, index:index + 1])
        for name in ('mean', 'entropy', 'msp', 'mutual_information'):
            assert_close(getattr(part, name)(), getattr(alone, name)())
    assert_close(EnsembleStatistics.joined(parts).mutual_information(), whole.mutual_information())

"""Laws of what the flow sees."""
from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mmseg_uncertainty.functional import flow_inputs


def logits_of(seed: int, classes: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 5 * torch.randn(2, classes, 3, 4, generator=generator, dtype=torch.float64)


def of(name: str, logits: torch.Tensor) -> torch.Tensor:
    return flow_inputs.flow_input(logits, [name])[:, 0]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), shift=st.floats(-50, 50))
def test_confidences_ignore_a_shift_of_all_logits_and_energies_follow_it(seed, shift):
    logits = logits_of(seed)
    for name in ('doubt_log_odds', 'gap', 'log_entropy'):
        assert_close(of(name, logits + shift), of(name, logits), atol=1e-6, rtol=1e-6)
    for name in ('energy', 'max_logit'):
        assert_close(of(name, logits + shift), of(name, logits) - shift)


def test_doubt_is_the_log_odds_of_the_maximum_softmax_probability():
    logits = logits_of(0)
    top = logits.softmax(dim=1).amax(dim=1)
    assert_close(of('doubt_log_odds', logits), torch.logit(1 - top))


def test_doubt_keeps_the_order_of_confident_pixels_and_stays_finite():
    logits = torch.zeros(1, 3, 2, 2)
    logits[0, 0] = torch.tensor([[20.0, 40.0], [60.0, 1e4]])
    doubt = of('doubt_log_odds', logits).flatten()
    assert_close(doubt[:3], torch.tensor([-20.0, -40.0, -60.0]) + torch.tensor(2.0).log())
    assert doubt.isfinite().all() and of('log_entropy', logits).isfinite().all()


def test_default_inputs_have_a_jacobian_of_full_rank():
    names = ('doubt_log_odds', 'energy', 'gap', 'log_entropy')
    logits = logits_of(3, 6)[:1, :, :1, :1]
    jacobian = torch.autograd.functional.jacobian(lambda l: flow_inputs.flow_input(l, names).flatten(), logits)
    assert torch.linalg.matrix_rank(jacobian.flatten(1), rtol=1e-6) == len(names)


def test_the_published_input_has_a_jacobian_of_rank_one():
    means, variances = torch.rand(6, dtype=torch.float64), torch.rand(6, dtype=torch.float64) + 0.5
    logits = logits_of(3, 6)[:1, :, :1, :1]
    jacobian = torch.autograd.functional.jacobian(
        lambda l: flow_inputs.published_flow_input(l, means, variances).flatten(), logits)
    assert torch.linalg.matrix_rank(jacobian.flatten(1), rtol=1e-9) == 1


def test_pooling_averages_consecutive_channels():
    features = torch.arange(6.0).view(1, 6, 1, 1)
    assert_close(flow_inputs.pool_channels(features, 3).flatten(), torch.tensor([0.5, 2.5, 4.5]))
    with pytest.raises(ValueError, match='divisors of 6'):
        flow_inputs.pool_channels(features, 4)


def test_maps_relative_to_their_image_forget_its_light_and_contrast():
    maps = torch.rand(2, 3, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    relative = flow_inputs.standardize_over_image(maps, eps=0)
    assert_close(relative, (maps - maps.mean((2, 3), keepdim=True)) / maps.std((2, 3), correction=0, keepdim=True))
    scale, shift = torch.tensor([2., 50.])[:, None, None, None], torch.tensor([-3., 9.])[:, None, None, None]
    assert_close(flow_inputs.standardize_over_image(scale * maps + shift, eps=0), relative)
    assert_close(flow_inputs.standardize_over_image(maps[1:], eps=0), relative[1:])


@pytest.mark.parametrize('size', [(1, 1), (4, 6)])
def test_maps_that_are_constant_over_their_image_become_zero(size):
    assert_close(flow_inputs.standardize_over_image(torch.full((1, 2, *size), 7.)), torch.zeros(1, 2, *size))


def test_the_published_input_is_its_formula():
    logits, means, variances = logits_of(1), torch.arange(5.0).double(), torch.arange(1.0, 6.0).double()
    standardized = (logits - means[:, None, None]) / variances.sqrt()[:, None, None]
    share = standardized.exp().sum(1) / (1 + standardized.exp().sum(1))
    channels = flow_inputs.published_flow_input(logits, means, variances)
    assert channels.shape == (2, 2, 3, 4)
    assert_close(channels[:, 0], share.log())
    assert_close(channels[:, 1], (1e-6 + 1 - share).log())

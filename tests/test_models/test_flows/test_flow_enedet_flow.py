"""Laws of the exact flow in float64."""
from __future__ import annotations

import itertools

import pytest
import torch
from torch.testing import assert_close

from mmseg_uncertainty.models.flows import (ActNorm, AffineCoupling, ClassConditionalGaussian, FlowEneDetFlow,
                                            InvertibleConvolution)


def perturb(module: torch.nn.Module, scale: float = 0.3) -> torch.nn.Module:
    """Move every parameter away from its start."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return module.double().eval()


def make_flow(channels: int = 3, condition: int = 0, **options) -> FlowEneDetFlow:
    torch.manual_seed(0)
    return perturb(FlowEneDetFlow(channels, condition, blocks=4, hidden_channels=6, kernel_size=3, **options))


def condition_for(z: torch.Tensor, channels: int) -> torch.Tensor | None:
    return torch.randn(z.shape[0], channels, *z.shape[2:], dtype=torch.float64) if channels else None


@pytest.mark.parametrize('channels', [2, 3, 4])
@pytest.mark.parametrize('condition', [0, 5])
@pytest.mark.parametrize('size', [(1, 1), (1, 7), (5, 4)])
def test_inverse_undoes_the_flow(channels, condition, size):
    flow = make_flow(channels, condition)
    z = 3 * torch.randn(2, channels, *size, dtype=torch.float64)
    seen = condition_for(z, condition)
    u, log_det = flow(z, seen)
    back, inverse_log_det = flow.inverse(u, seen)
    assert (back - z).abs().max() < 1e-9
    assert (log_det + inverse_log_det).abs().max() < 1e-9
    assert log_det.shape == (2, *size)


@pytest.mark.parametrize('layer', [
    lambda: ActNorm([(3, 1, 1)]),
    lambda: InvertibleConvolution([(3, 1, 1)]),
    lambda: AffineCoupling([(3, 1, 1)], hidden_channels=4, kernel_size=3),
    lambda: AffineCoupling([(3, 1, 1)], keep_even=True, hidden_channels=4, kernel_size=3),
    lambda: make_flow(3).layers,
])
def test_the_log_determinant_map_sums_to_that_of_the_jacobian(layer):
    torch.manual_seed(1)
    layer = perturb(layer())
    z = torch.randn(1, 3, 3, 4, dtype=torch.float64)

    def run(flat):
        out = layer((flat.view_as(z), ))[0]
        return (out if torch.is_tensor(out) else out[0]).flatten()

    jacobian = torch.autograd.functional.jacobian(run, z.flatten())
    log_det = layer((z, ))[1]
    assert_close(log_det.sum(), torch.linalg.slogdet(jacobian).logabsdet, atol=1e-8, rtol=0)


@pytest.mark.parametrize('channels', [2, 3, 4])
@pytest.mark.parametrize('keep_even', [False, True])
def test_a_coupling_keeps_every_second_channel_and_changes_all_others(channels, keep_even):
    torch.manual_seed(5)
    coupling = perturb(AffineCoupling([(channels, 1, 1)], keep_even=keep_even, hidden_channels=4, kernel_size=3))
    z = torch.randn(2, channels, 3, 4, dtype=torch.float64)
    out = coupling((z, ))[0][0]
    kept = [torch.equal(before, after) for before, after in zip(z.unbind(1), out.unbind(1))]
    assert kept == [(channel % 2 == 0) == keep_even for channel in range(channels)]


def test_couplings_one_after_the_other_change_every_channel():
    couplings = [layer for layer in make_flow(4).layers if isinstance(layer, AffineCoupling)]
    assert [coupling.kept.tolist() for coupling in couplings] == [[1, 3], [0, 2]] * 2


@pytest.mark.parametrize('condition', [0, 2])
def test_derivatives_of_densities_are_those_of_finite_differences(condition):
    """Also where a channel acts on others by scale and shift alone."""
    flow = make_flow(3, condition)
    z = torch.randn(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    seen = condition_for(z, condition)
    assert torch.autograd.gradcheck(lambda values: flow.log_joint(values, seen), (z, ))


def test_each_component_of_the_base_integrates_to_one():
    torch.manual_seed(2)
    base = perturb(ClassConditionalGaussian(2))
    axis = torch.arange(-15, 15, 0.05, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing='ij'))[None]
    total = base.log_prob(grid).exp().sum(dim=(0, 2, 3)) * 0.05**2
    assert_close(total, torch.ones(2, dtype=torch.float64), atol=1e-6, rtol=0)
    assert_close(base.log_prior().exp().sum(), torch.ones((), dtype=torch.float64))


def test_the_base_is_a_multivariate_normal():
    torch.manual_seed(3)
    base = perturb(ClassConditionalGaussian(4))
    u = torch.randn(2, 4, 3, 3, dtype=torch.float64)
    factor = base.precision_factor()
    for kind in range(2):
        normal = torch.distributions.MultivariateNormal(base.mean[kind], precision_matrix=factor.T @ factor)
        assert_close(base.log_prob(u)[:, kind], normal.log_prob(u.movedim(1, -1)))


def test_log_odds_are_the_difference_of_the_joint_log_densities():
    flow = make_flow(3, 2)
    z = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    seen = condition_for(z, 2)
    joint = flow.log_prob(z, seen) + flow.base.log_prior()[None, :, None, None]
    assert_close(flow.log_odds(z, seen), joint[:, 1] - joint[:, 0])


def test_density_of_one_pixel_integrates_to_one():
    flow = make_flow(2)
    axis = torch.arange(-40, 40, 0.1, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis).view(-1, 2, 1, 1)
    total = flow.log_prob(grid).exp().sum(dim=(0, 2, 3)) * 0.1**2
    assert_close(total, torch.ones(2, dtype=torch.float64), atol=1e-4, rtol=0)


@torch.no_grad()
def test_samples_follow_the_density_of_their_component():
    base = perturb(ClassConditionalGaussian(3))
    wrong = torch.tensor([0, 1]).view(2, 1, 1).expand(2, 200, 200)
    u = base.sample(wrong, torch.Generator().manual_seed(0))
    assert_close(u.mean(dim=(2, 3)), base.mean, atol=0.05, rtol=0)
    factor = base.precision_factor()
    assert_close(torch.cov(u[1].flatten(1)), torch.linalg.inv(factor.T @ factor), atol=0.1, rtol=0.05)


def test_sampling_inverts_to_the_base():
    flow = make_flow(2, 3)
    seen = torch.randn(1, 3, 5, 6, dtype=torch.float64)
    wrong = torch.zeros(1, 5, 6)
    z = flow.sample(wrong, seen, torch.Generator().manual_seed(1))
    u = flow.base.sample(wrong, torch.Generator().manual_seed(1))
    assert (flow(z, seen)[0] - u).abs().max() < 1e-9


@pytest.mark.parametrize('condition', [0, 3])
def test_gradients_reach_every_parameter_from_the_start(condition):
    torch.manual_seed(4)
    flow = FlowEneDetFlow(4, condition, dropout=0.0).double()
    z = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    joint = flow.log_prob(z, condition_for(z, condition)) + flow.base.log_prior()[None, :, None, None]
    (joint[:, 1].mean() + 0.5 * joint[:, 0].square().mean()).backward()
    missing = [name for name, parameter in flow.named_parameters()
               if parameter.grad is None or not parameter.grad.abs().max() > 0]
    assert not missing


def test_training_mode_differs_by_dropout_only():
    z, seen = torch.randn(1, 2, 5, 5, dtype=torch.float64), torch.randn(1, 2, 5, 5, dtype=torch.float64)
    still, dropping = make_flow(2, 2, dropout=0.0), make_flow(2, 2, dropout=0.5)
    assert torch.equal(still.train()(z, seen)[0], still.eval()(z, seen)[0])
    assert not torch.equal(dropping.train()(z, seen)[0], dropping.eval()(z, seen)[0])


def test_initialization_normalizes_the_pixels_that_count():
    flow = FlowEneDetFlow(3, 2, blocks=2)
    z = 5 + 3 * torch.randn(2, 3, 8, 8)
    weight = torch.ones(2, 8, 8)
    weight[:, :, 6:], z[..., 6:] = 0, 1e4
    flow.initialize(z, torch.randn(2, 2, 8, 8), weight)
    out = flow.layers[0]((z, ))[0][0][..., :6]
    assert_close(out.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    assert_close(out.std(dim=(0, 2, 3), correction=0), torch.ones(3), atol=1e-4, rtol=0)
    assert flow.initialized


def test_log_density_of_a_map_is_that_of_its_pixels_together():
    flow = make_flow(2)
    z = torch.randn(1, 2, 2, 3, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda flat: flow(flat.view_as(z))[0].flatten(), z.flatten())
    u, _ = flow(z)
    for wrong in itertools.islice(itertools.product((0, 1), repeat=6), 0, 64, 13):
        kinds = torch.tensor(wrong).view(1, 1, 2, 3)
        whole = flow.base.log_prob(u).gather(1, kinds).sum() + torch.linalg.slogdet(jacobian).logabsdet
        assert_close(flow.log_prob(z).gather(1, kinds).sum(), whole)


def test_a_new_flow_has_seen_nothing_and_saves_what_it_learns_alone():
    flow = FlowEneDetFlow(2)
    assert not flow.initialized
    coupling = AffineCoupling([(2, 1, 1)])
    assert set(coupling.state_dict()) == {name for name, _ in coupling.named_parameters()}
    assert coupling((torch.randn(1, 2, 9, 8), ))[0][0].shape == (1, 2, 9, 8)
    assert {tuple(layer.kernel_size) for layer in coupling.modules() if isinstance(layer, torch.nn.Conv2d)} >= {(7, 7)}


@pytest.mark.parametrize('condition', [0, 5])
@pytest.mark.parametrize('size', [(13, 7), (1, 40), (40, 1)])
def test_blocks_of_pixels_have_the_scores_of_the_whole(condition, size, monkeypatch):
    torch.manual_seed(0)
    flow = perturb(FlowEneDetFlow(3, condition, blocks=2, hidden_channels=6, kernel_size=1))
    z = torch.randn(2, 3, *size, dtype=torch.float64)
    seen, whole = condition_for(z, condition), None
    for pixels in (10**6, 20):
        monkeypatch.setattr('mmseg_uncertainty.models.flows.flow_enedet_flow.CACHED_PIXELS', pixels)
        calls = []
        handle = flow.register_forward_pre_hook(lambda _, arguments: calls.append(arguments[0].shape[2:].numel()))
        with torch.no_grad():
            scores = flow.log_odds(z, seen)
        handle.remove()
        whole = scores if whole is None else whole
        assert_close(scores, whole)
    assert len(calls) > 1 and sum(calls) == z.shape[2] * z.shape[3]

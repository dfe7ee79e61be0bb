"""Laws of temperature scaling."""
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import root_scalar
from torch.testing import assert_close

from mmseg_uncertainty.functional.calibration_error import expected_calibration_error
from mmseg_uncertainty.functional.temperature import (COARSE_NODES, SlopeCurve, best_calibrated, cluster_weights,
                                                      fit_temperature, keep_predictions, likelihood_slopes,
                                                      reliability_by_temperature)


def calibrated_pixels(count=40000, classes=6, spread=2.5, seed=0):
    """Logits and labels drawn from their softmax."""
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(classes, count, generator=generator)
    return logits, torch.multinomial(logits.T.softmax(dim=1), 1, generator=generator)[:, 0]


def exact_temperature(logits, labels):
    """Zero of the slope in float64, without nodes."""
    logits = logits.double()

    def slope(inverse):
        expected = ((logits * inverse).softmax(dim=0) * logits).sum(dim=0)
        return float((expected - logits.gather(0, labels[None])[0]).mean())

    return 1 / root_scalar(slope, bracket=(1e-9, 1e9), xtol=1e-18, rtol=1e-12).root


@pytest.mark.parametrize('planted', [0.3, 1., 2.5, 7.])
def test_a_planted_temperature_is_recovered(planted):
    logits, labels = calibrated_pixels()
    assert fit_temperature(logits * planted, labels) == pytest.approx(planted, rel=0.01)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), classes=st.integers(2, 8), planted=st.floats(0.1, 12))
def test_two_passes_find_the_zero_of_the_slope(seed, classes, planted):
    logits, labels = calibrated_pixels(1500, classes, seed=seed)
    logits = logits * planted
    assert fit_temperature(logits, labels) == pytest.approx(exact_temperature(logits, labels), rel=1e-6)


def test_slopes_are_derivatives_of_the_likelihood():
    logits, labels = calibrated_pixels(50)
    beta = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.cross_entropy((beta * logits.double()).T, labels, reduction='sum')
    first, = torch.autograd.grad(loss, beta, create_graph=True)
    second, = torch.autograd.grad(first, beta)
    assert_close(likelihood_slopes(logits, labels, [0.7])[0, 0], np.array([first.item(), second.item()]))


def test_slopes_of_groups_add_up():
    logits, labels = calibrated_pixels(500)
    groups = logits.argmax(dim=0)
    nodes = COARSE_NODES[::3]
    assert_close(likelihood_slopes(logits, labels, nodes, groups, 6).sum(0), likelihood_slopes(logits, labels, nodes)[0])


@pytest.mark.parametrize('scale', [1e-6, 5e-3, 1e-2, 1., 64., 100., 1e3, 1e6])
def test_a_temperature_of_any_scale_is_found(scale):
    logits, labels = calibrated_pixels(3000)
    logits = logits.double() * scale
    assert fit_temperature(logits, labels) == pytest.approx(exact_temperature(logits, labels), rel=1e-7)


def test_limits_are_those_of_the_slope():
    logits, labels = calibrated_pixels(500)
    groups = logits.argmax(dim=0)
    limits = likelihood_slopes(logits.double(), labels, [0., np.inf], groups, 6)
    close = likelihood_slopes(logits.double(), labels, [1e-9, 1e6], groups, 6)
    assert_close(limits[:, 0], close[:, 0], rtol=1e-6, atol=1e-6)
    assert_close(limits[:, 1, 0], close[:, 1, 0], rtol=1e-6, atol=1e-6)


def test_a_likelihood_without_maximum_is_said_to_have_none():
    logits, labels = calibrated_pixels(100)
    assert fit_temperature(logits, logits.argmax(dim=0)) == 0
    assert fit_temperature(logits, logits.argmin(dim=0)) == np.inf
    assert np.isnan(fit_temperature(logits[:, :0], labels[:0]))
    wrong = logits.argmax(dim=0)
    wrong[0] = logits[:, 0].topk(2).indices[1]
    assert 0 < fit_temperature(logits, wrong) == pytest.approx(exact_temperature(logits, wrong), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), start=st.floats(-12, 12))
def test_nodes_anywhere_lead_to_the_zero(seed, start):
    logits, labels = calibrated_pixels(500, seed=seed)
    nodes = np.r_[0., np.exp(start + np.array([0., 0.05])), np.inf]
    curve = SlopeCurve(nodes, likelihood_slopes(logits, labels, nodes)[0])
    for _ in range(8):
        if curve.settled():
            break
        nodes = curve.next_nodes()
        curve = curve.joined(nodes, likelihood_slopes(logits, labels, nodes)[0])
    assert curve.settled()
    assert 1 / curve.inverse_temperature() == pytest.approx(exact_temperature(logits, labels), rel=1e-6)


def test_the_grid_prefers_what_it_was_planted_with():
    logits, labels = calibrated_pixels(20000)
    grid = np.array([1.5, 2., 2.5, 3.])
    candidates = reliability_by_temperature(logits * 2.5, labels, np.r_[1., grid])
    errors = expected_calibration_error(candidates)
    assert errors[1:].argmin() == 2
    first, rest = (type(candidates)(*(values[part] for values in (candidates.count, candidates.correct,
                                                                 candidates.confidence))) for part in (0, slice(1, None)))
    assert best_calibrated(grid, rest, first) == 2.5
    # The scaling must gain something, and of equal gains the first counts.
    assert best_calibrated(grid[:1], type(candidates)(*(values[None] for values in (first.count, first.correct, first.confidence))),
                           first) == 1
    twice = type(candidates)(*(values[[2, 2]] for values in (rest.count, rest.correct, rest.confidence)))
    assert best_calibrated(np.array([7., 8.]), twice, first) == 7


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), soft=st.booleans())
def test_weights_of_clusters_sum_to_one_and_the_nearest_counts_most(seed, soft):
    generator = torch.Generator().manual_seed(seed)
    features, centroids = torch.randn(5, 3, generator=generator), torch.randn(4, 3, generator=generator)
    weights = cluster_weights(features, centroids, soft)
    assert_close(weights.sum(dim=1), torch.ones(5, dtype=torch.float64))
    assert torch.equal(weights.argmax(dim=1), torch.cdist(features, centroids).argmin(dim=1))


def test_a_dominant_soft_weight_is_the_hard_one():
    centroids = torch.tensor([[0., 0.], [1e9, 0.]])
    assert_close(cluster_weights(centroids[:1], centroids, soft=True), cluster_weights(centroids[:1], centroids))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_predictions_are_kept_and_so_is_the_largest_value(seed):
    generator = torch.Generator().manual_seed(seed)
    logits, calibrated = (torch.randint(3, (2, 4, 5, 6), generator=generator).float() for _ in range(2))
    kept = keep_predictions(calibrated, logits)
    assert torch.equal(kept.argmax(dim=1), logits.argmax(dim=1))
    assert_close(kept.sort(dim=1).values, calibrated.sort(dim=1).values)
    assert keep_predictions(logits, logits) is logits


def test_the_search_goes_as_far_upwards_as_downwards():
    upwards, downwards = (SlopeCurve(np.r_[1., 2.], np.array([[sign, 0.], [sign, 0.]])) for sign in (-1., 1.))
    up, down = upwards.next_nodes()[1:-1], downwards.next_nodes()[1:-1]
    np.testing.assert_allclose(np.sort(2 / up), down)
    assert up[-1] > 1e6

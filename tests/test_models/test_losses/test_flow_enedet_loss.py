"""The FlowEneDet loss: what counts, and how much."""
from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from mmseg_uncertainty.models.losses import FlowEneDetLoss


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    predicted = torch.randint(4, (2, 6, 8), generator=generator)
    labels = torch.randint(4, (2, 6, 8), generator=generator)
    labels[0, 0], labels[1, :, -2:] = 255, 254
    return predicted, labels, torch.randn(2, 6, 8, generator=generator)


def posterior(loss: FlowEneDetLoss, predicted, labels, log_odds):
    return loss(log_odds, *loss.targets(predicted, labels))['loss_posterior']


def test_the_first_term_is_the_two_way_cross_entropy_of_pixels_that_count(batch):
    predicted, labels, log_odds = batch
    two_way = torch.stack([torch.zeros_like(log_odds), log_odds], dim=1)
    keep = labels < 254
    expected = F.cross_entropy(two_way.movedim(1, -1)[keep], (predicted != labels)[keep].long())
    assert_close(posterior(FlowEneDetLoss('ignore'), *batch), expected)


def test_void_counts_as_its_policy_says(batch):
    ignored, positive, half = (posterior(FlowEneDetLoss(policy), *batch) for policy in ('ignore', 'positive', 0.5))
    assert not torch.isclose(ignored, positive)
    assert min(ignored, positive) < half < max(ignored, positive)
    assert_close(posterior(FlowEneDetLoss(1.0), *batch), positive)


@pytest.mark.parametrize('policy', ['ignore', 'positive', 0.3])
def test_padding_never_counts(batch, policy):
    predicted, labels, log_odds = batch
    loss = FlowEneDetLoss(policy)
    changed = torch.where(labels == 254, torch.full_like(log_odds, 50.0), log_odds)
    assert_close(posterior(loss, predicted, labels, changed), posterior(loss, *batch))


def test_balanced_kinds_weigh_the_same(batch):
    predicted, labels, _ = batch
    loss = FlowEneDetLoss(positive_weight='balanced')
    wrong, weight = loss.targets(predicted, labels)
    log_odds = torch.zeros(labels.shape, requires_grad=True)
    loss(log_odds, wrong, weight)['loss_posterior'].backward()
    assert_close(log_odds.grad[wrong].sum(), -log_odds.grad[~wrong].sum())
    assert_close(log_odds.grad.sum(), torch.zeros(()), atol=1e-7, rtol=0)


def test_likelihood_term_is_the_mean_negative_log_density_of_the_labelled_kind(batch):
    predicted, labels, log_odds = batch
    loss = FlowEneDetLoss(likelihood_weight=0.1)
    wrong, weight = loss.targets(predicted, labels)
    log_joint = torch.randn(2, 2, 6, 8)
    term = loss(log_odds, wrong, weight, log_joint)['loss_likelihood']
    chosen = log_joint.gather(1, wrong[:, None].long())[:, 0]
    assert_close(term, -0.1 * chosen[weight > 0].mean())


def test_a_batch_in_which_nothing_counts_has_zero_loss_and_finite_gradients():
    log_odds = torch.randn(1, 2, 2, requires_grad=True)
    labels = torch.full((1, 2, 2), 254)
    loss = posterior(FlowEneDetLoss(), torch.zeros(1, 2, 2, dtype=torch.long), labels, log_odds)
    loss.backward()
    assert loss == 0 and torch.equal(log_odds.grad, torch.zeros_like(log_odds))


@pytest.mark.parametrize('options', [dict(void_policy='never'), dict(void_policy=-1.0), dict(positive_weight='half')])
def test_unknown_options_are_named(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        FlowEneDetLoss(**options)


def test_a_common_factor_of_the_weights_changes_nothing(batch):
    predicted, labels, log_odds = batch
    loss = FlowEneDetLoss(likelihood_weight=0.1)
    wrong, weight = loss.targets(predicted, labels)
    log_joint = torch.randn(2, 2, 6, 8)
    for name, value in loss(log_odds, wrong, 1e-4 * weight, log_joint).items():
        assert_close(value, loss(log_odds, wrong, weight, log_joint)[name])

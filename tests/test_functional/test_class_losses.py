"""Laws of the losses of class logits."""
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import matthews_corrcoef
from torch.nn import functional as F
from torch.testing import assert_close

from mmseg_uncertainty.functional.class_losses import binary_losses, focal_loss, hardest_mean, matthews_correlation


def batch(seed, classes=5, void=0.2):
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(2, classes, 4, 7, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (2, 4, 7), generator=generator)
    return logits, labels.masked_fill(torch.rand(2, 4, 7, generator=generator) < void, 255)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_without_focus_it_is_cross_entropy(seed):
    logits, labels = batch(seed)
    assert_close(focal_loss(logits, labels, 0.), F.cross_entropy(logits, labels, ignore_index=255, reduction='none'))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), gamma=st.floats(0, 5))
def test_focal_loss_is_the_formula_falls_with_gamma_and_forgets_shifts(seed, gamma):
    logits, labels = batch(seed, void=0)
    probability = logits.softmax(1).gather(1, labels[:, None])[:, 0]
    losses = focal_loss(logits, labels, gamma)
    assert_close(losses, -(1 - probability)**gamma * probability.log())
    assert (focal_loss(logits, labels, gamma + 1) <= losses + 1e-12).all()
    assert_close(focal_loss(logits + 7, labels, gamma), losses)


@pytest.mark.parametrize('gamma', [0., 0.25, 0.5, 1., 2.])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_gradient_is_finite_where_the_model_is_sure(gamma, dtype):
    logits = torch.tensor([[[200., 30., -200., 0.], [0., 0., 0., 0.]]], dtype=dtype, requires_grad=True)
    losses = focal_loss(logits, torch.zeros(1, 4, dtype=torch.long), gamma)
    losses.sum().backward()
    assert losses.isfinite().all() and logits.grad.isfinite().all()


def test_derivatives_are_right():
    logits, labels = batch(3, classes=3)
    logits.requires_grad_()
    weights = torch.rand(2, 4, 7, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: focal_loss(z, labels, 2.).sum(), logits)
    assert torch.autograd.gradcheck(lambda z: matthews_correlation(z.softmax(1), labels.clamp_max(2), weights), logits)


def test_void_pixels_move_nothing():
    logits, labels = batch(0)
    changed = logits + 100 * torch.randn_like(logits) * (labels == 255).unsqueeze(1)
    assert_close(focal_loss(logits, labels), focal_loss(changed, labels))
    assert_close(binary_losses(logits, labels), binary_losses(changed, labels))


def test_binary_losses_of_two_classes_and_of_one_logit():
    logits, labels = batch(1, classes=2)
    losses = binary_losses(logits, labels)
    probabilities = logits.sigmoid()
    for position in ((0, 0, 0), (1, 3, 6)):
        n, h, w = position
        if labels[position] != 255:
            hit = probabilities[n, labels[position], h, w]
            other = probabilities[n, 1 - labels[position], h, w]
            assert_close(losses[n, :, h, w].sum(), -(hit.log() + (1 - other).log()))
    assert_close(binary_losses(logits[:, 1:], labels), losses[:, 1:])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.01, 1))
def test_hardest_mean_sorts_and_rises_as_the_share_falls(seed, share):
    generator = torch.Generator().manual_seed(seed)
    losses, known = torch.rand(3, 20, generator=generator), torch.rand(3, 20, generator=generator) < 0.7
    known[1] = False
    expected = []
    for row in (0, 2):
        values = sorted(losses[row][known[row]].tolist(), reverse=True)
        if values:
            values = values[:math.ceil(share * len(values))]
            expected.append(sum(values) / len(values))
    assert hardest_mean(losses, known, share).item() == pytest.approx(sum(expected) / max(len(expected), 1), abs=1e-6)
    assert hardest_mean(losses, known, share) >= hardest_mean(losses, known, 1.) - 1e-6


def test_hardest_mean_of_nothing_is_zero_with_a_gradient():
    losses = torch.rand(2, 5, requires_grad=True)
    value = hardest_mean(losses, torch.zeros(2, 5, dtype=torch.bool), 0.5)
    value.backward()
    assert value == 0 and losses.grad.isfinite().all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 5))
def test_correlation_of_hard_predictions_is_that_of_scikit_learn(seed, classes):
    generator = torch.Generator().manual_seed(seed)
    predicted, labels = torch.randint(classes, (2, 60), generator=generator)
    weights = torch.randint(3, (60, ), generator=generator).double()
    probabilities = F.one_hot(predicted, classes).double().T[None]
    ours = matthews_correlation(probabilities, labels[None], weights[None])
    assert ours.item() == pytest.approx(matthews_corrcoef(labels, predicted, sample_weight=weights), abs=1e-9)


def test_correlation_is_one_for_the_truth_and_zero_where_undefined():
    labels = torch.tensor([[0, 1, 2, 1]])
    truth = F.one_hot(labels, 3).movedim(-1, 1).double()
    weights = torch.ones(1, 4, dtype=torch.float64)
    assert matthews_correlation(truth, labels, weights).item() == pytest.approx(1)
    assert matthews_correlation(torch.full((1, 3, 4), 1 / 3).double(), labels, weights).item() == pytest.approx(0)
    assert matthews_correlation(truth, torch.zeros_like(labels), weights) == 0

"""GEN is its formula in float64, keeps the order of sure pixels, and is pytorch-ood's up to a factor."""
import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from torch.testing import assert_close

from mmseg_uncertainty.functional.generalized_entropy import generalized_entropy


def logits(scale, shape=(2, 7, 5, 6)):
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('scale', [0.1, 3., 20.])
@pytest.mark.parametrize('gamma', [0.1, 0.5])
@pytest.mark.parametrize('top', [None, 1, 3, 7, 100])
def test_the_formula(scale, gamma, top):
    given = logits(scale)
    p = np.sort(softmax(given.double().numpy(), axis=1), axis=1)[:, ::-1][:, :top]
    rest = 1 - p
    kept = (rest > 1e-12).all(axis=1)
    expected = (p**gamma * np.maximum(rest, 1e-300)**gamma).sum(axis=1)
    np.testing.assert_allclose(generalized_entropy(given, gamma, top)[torch.from_numpy(kept)], expected[kept], rtol=2e-4)


def test_every_class_may_have_its_own_sigmoid():
    given = logits(4.)
    p = np.sort(expit(given.double().numpy()), axis=1)[:, ::-1][:, :3]
    np.testing.assert_allclose(generalized_entropy(given, 0.1, 3, sigmoids=True), (p * (1 - p)).__pow__(0.1).sum(axis=1), rtol=1e-4)


def test_sure_pixels_keep_their_order_in_float32():
    gaps = torch.arange(20., 100., 5.)
    scores = generalized_entropy(torch.stack([gaps, torch.zeros_like(gaps)])[None])
    assert (scores.diff() < 0).all() and (scores[0, :10] > 0).all()
    slopes = []
    for kind in (torch.float32, torch.float64):
        given = torch.tensor([[40., 0., 1.]], dtype=kind, requires_grad=True)
        slopes += torch.autograd.grad(generalized_entropy(given).sum(), given)
    assert_close(slopes[0].double(), slopes[1], rtol=1e-4, atol=0)


def test_a_constant_and_the_order_of_classes_change_nothing():
    given, order = logits(3.).double(), torch.randperm(7, generator=torch.Generator().manual_seed(1))
    assert_close(generalized_entropy(given + 40), generalized_entropy(given))
    assert_close(generalized_entropy(given[:, order], top=3), generalized_entropy(given, top=3))


def test_uniform_probabilities_are_the_upper_end_and_impossible_classes_add_nothing():
    assert_close(generalized_entropy(torch.zeros(1, 2)), torch.tensor([2 * 4**-0.1]))
    padded = torch.cat([logits(3.), torch.full((2, 1, 5, 6), -torch.inf)], dim=1)
    assert_close(generalized_entropy(padded), generalized_entropy(logits(3.)))

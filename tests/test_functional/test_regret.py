"""The regret is its formula, and keeps its digits where leverages are small."""
import numpy as np
import torch
from scipy.special import softmax
from torch.testing import assert_close

from mmseg_uncertainty.functional.regret import predictive_regret


def test_the_formula_in_float64():
    generator = torch.Generator().manual_seed(0)
    logits, leverage = 3 * torch.randn(2, 5, 4, 6, generator=generator), 3 * torch.rand(2, 4, 6, generator=generator)
    p, g = softmax(logits.double().numpy(), axis=1), (leverage / (1 + leverage)).double().numpy()[:, None]
    np.testing.assert_allclose(predictive_regret(logits, leverage), np.log((p / (p + p**g * (1 - p))).sum(axis=1)), rtol=1e-4)


def test_small_leverages_keep_their_digits_and_sure_pixels_stay_finite():
    logits = torch.tensor([[2., 0.5, -1.], [40., 0., -1.]])
    for leverage in (1e-3, 1e-6, 1e-9):
        given = torch.full((2, ), leverage)
        assert_close(predictive_regret(logits, given), predictive_regret(logits.double(), given.double()).float(), rtol=1e-4, atol=0)
    assert predictive_regret(logits, torch.tensor([5., 5.])).isfinite().all()


def test_regret_grows_with_leverage_up_to_half_the_classes():
    leverages = torch.tensor([0., 1., 10., 1e9])
    regrets = predictive_regret(torch.zeros(4, 3), leverages)
    assert (regrets.diff() > 0).all() and regrets[0] == 0
    assert_close(regrets[-1], torch.tensor(1.8).log())

"""Maps of logits: laws by brute force."""
import numpy as np
import torch
from scipy.special import softmax
from torch.testing import assert_close

from mmseg_uncertainty.functional.calibration_maps import mix_temperatures, scale_gaps, set_top_log_odds, top_log_odds


def logits(seed=0, shape=(2, 6, 4, 5), scale=3.):
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_gaps_are_weighed_one_by_one():
    given, weights = logits(), torch.tensor([2., 0.5, 1., 3., 0.1], dtype=torch.float64)
    found = scale_gaps(given, weights).numpy()
    for place in np.ndindex(2, 4, 5):
        pixel = given[place[0], :, place[1], place[2]].numpy()
        order = np.argsort(-pixel)
        expected = np.zeros(6)
        for rank in range(4, -1, -1):
            expected[order[rank]] = expected[order[rank + 1]] + weights[rank] * (pixel[order[rank]] - pixel[order[rank + 1]])
        np.testing.assert_allclose(found[place[0], :, place[1], place[2]], expected, atol=1e-12)
    own = weights[None, :, None, None].expand(2, 5, 4, 5)
    assert_close(scale_gaps(given, own), torch.from_numpy(found))


def test_weights_of_one_change_no_probability_and_equal_logits_stay_equal():
    given = logits()
    assert_close(scale_gaps(given, torch.ones(5)).softmax(1), given.softmax(1))
    assert torch.equal(scale_gaps(torch.ones(1, 4, 1, 1), torch.rand(3)), torch.zeros(1, 4, 1, 1))
    assert_close(scale_gaps(given[..., 0, 0], torch.full((5, ), 2.)).softmax(1), (2 * given[..., 0, 0]).softmax(1))


def test_the_mixture_is_its_formula_and_a_distribution():
    given, shares = logits(), torch.tensor([0.5, 0.3, 0.2])
    z = given.numpy()
    expected = 0.5 * softmax(z / 2.5, axis=1) + 0.3 * softmax(z, axis=1) + 0.2 / 6
    found = mix_temperatures(given, 2.5, shares).exp()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert_close(found.sum(1), torch.ones(2, 4, 5, dtype=torch.float64), rtol=1e-6, atol=1e-6)
    only = mix_temperatures(given, 2.5, torch.tensor([0., 1., 0.]))
    assert_close(only, given.log_softmax(1))


def test_log_odds_are_set_and_read_and_the_others_keep_their_proportions():
    given = logits()
    wanted = torch.rand(2, 4, 5, dtype=torch.float64) + top_log_odds(given).clamp_min(1.)
    changed = set_top_log_odds(given, wanted)
    assert_close(top_log_odds(changed), wanted)
    winner = given.argmax(1, keepdim=True)
    assert_close(changed.scatter(1, winner, -torch.inf).softmax(1), given.scatter(1, winner, -torch.inf).softmax(1))
    p = given.softmax(1).amax(1)
    assert_close(top_log_odds(given), p.log() - (1 - p).log())


def test_the_largest_stays_the_largest_whatever_is_asked():
    given = logits()
    assert torch.equal(set_top_log_odds(given, torch.full((2, 4, 5), -50.).double()).argmax(1), given.argmax(1)) or (
        set_top_log_odds(given, torch.full((2, 4, 5), -50.).double()).gather(1, given.argmax(1, keepdim=True))[:, 0]
        == given.topk(2, dim=1).values[:, 1]).all()

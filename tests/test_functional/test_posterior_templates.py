"""KL matching is its formula in float64, whatever the batches."""
import numpy as np
import torch
from scipy.special import rel_entr, softmax
from torch.testing import assert_close

from mmseg_uncertainty.functional.posterior_templates import PosteriorSums, kl_matching

K = 5


def logits(seed, shape):
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_formula():
    fitted, given = logits(0, (400, K)), logits(1, (2, K, 6, 7))
    fitted[:, 3] = -9
    p, new = softmax(fitted.double().numpy(), axis=1), softmax(given.double().numpy(), axis=1)
    means = [p[p.argmax(axis=1) == k].mean(axis=0) for k in (0, 1, 2, 4)]
    expected = np.min([rel_entr(new, mean[None, :, None, None]).sum(axis=1) for mean in means], axis=0)
    templates = PosteriorSums.of(fitted).templates()
    assert templates[3].isnan().all() and templates[[0, 1, 2, 4]].isfinite().all()
    np.testing.assert_allclose(kl_matching(given, templates.float()), expected, rtol=1e-4, atol=1e-5)


def test_a_template_is_at_distance_zero_of_itself_and_nothing_is_nearer():
    templates = PosteriorSums.of(logits(0, (400, K))).templates()
    assert_close(kl_matching(templates.log()[:, :, None], templates), torch.zeros(K, 1, dtype=torch.float64))
    assert (kl_matching(logits(2, (3, K, 90)), templates.float()) >= 0).all()


def test_sure_pixels_and_impossible_classes_stay_finite():
    given = torch.tensor([[200., 0., -torch.inf, 0., 0.]])
    templates = PosteriorSums.of(torch.tensor([[9., 0., -torch.inf, 0., 0.]])).templates().float()
    assert kl_matching(given, templates).isfinite().all()
    assert kl_matching(torch.zeros(1, K), templates).item() > 1


def test_sums_add_up_over_batches():
    given = logits(3, (300, K))
    whole, parts = PosteriorSums.of(given), [PosteriorSums.of(part) for part in given.split([100, 1, 199])]
    assert torch.equal(whole.pixels, sum(part.pixels for part in parts))
    assert_close(whole.sums, sum(part.sums for part in parts))

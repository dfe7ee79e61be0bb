"""Laws of the stateless scores."""
from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax
from scipy.stats import entropy as scipy_entropy
from torch.testing import assert_close

from mmseg_uncertainty.functional import (energy, entropy, margin, max_logit, msp, mutual_information,
                                          standardized_max_logit, summarize)
from mmseg_uncertainty.functional.class_summary import ClassSummary, summarize_plainly

ALL = (msp, max_logit, energy, entropy, margin)


@st.composite
def logit_maps(draw):
    shape = (draw(st.integers(1, 2)), draw(st.integers(2, 21)), draw(st.integers(1, 5)), draw(st.integers(1, 7)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    return draw(st.sampled_from((0.1, 3., 40.))) * torch.randn(shape, generator=generator, dtype=torch.float64)


@settings(max_examples=25, deadline=None)
@given(logits=logit_maps())
def test_scores_agree_with_scipy(logits):
    z = logits.numpy()
    p = softmax(z, axis=1)
    ordered = np.sort(p, axis=1)
    expected = (1 - p.max(1), -z.max(1), -logsumexp(z, axis=1), scipy_entropy(p, axis=1),
                1 - (ordered[:, -1] - ordered[:, -2]))
    for score, values in zip(ALL, expected):
        assert_close(score(logits), torch.from_numpy(values), atol=1e-12, rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(logits=logit_maps(), shift=st.floats(-50, 50))
def test_a_shift_of_all_logits_moves_only_logit_scores(logits, shift):
    for score in (msp, entropy, margin):
        assert_close(score(logits + shift), score(logits), atol=1e-10, rtol=1e-8)
    for score in (energy, max_logit):
        assert_close(score(logits + shift), score(logits) - shift)


@settings(max_examples=25, deadline=None)
@given(logits=logit_maps(), seed=st.integers(0, 1000))
def test_scores_do_not_depend_on_the_order_of_classes(logits, seed):
    order = torch.randperm(logits.shape[1], generator=torch.Generator().manual_seed(seed))
    for score in ALL:
        assert_close(score(logits[:, order]), score(logits))


@settings(max_examples=25, deadline=None)
@given(logits=logit_maps(), temperature=st.floats(0.2, 20))
def test_energy_scales_with_temperature(logits, temperature):
    assert_close(energy(logits * temperature, temperature), temperature * energy(logits))


def test_confident_pixels_keep_their_order_in_float32():
    gaps = torch.arange(20., 80., 5.)
    logits = torch.stack([gaps, torch.zeros_like(gaps)])[None]
    for score in (msp, entropy, margin):
        assert (score(logits)[0].diff() < 0).all()


@pytest.mark.parametrize('ties', [2, 5])
def test_ties_at_the_top_share_the_probability(ties):
    logits = torch.full((1, 5, 1), -100.)
    logits[:, :ties] = 3.
    assert_close(msp(logits), torch.full((1, 1), 1 - 1 / ties))
    assert_close(entropy(logits), torch.full((1, 1), float(np.log(ties))))
    assert_close(margin(logits), torch.ones(1, 1))


@pytest.mark.parametrize('size', [(1, 1), (4, 7), (211, 173)])
@pytest.mark.parametrize('classes', [2, 7, 150])
@pytest.mark.parametrize('scale', [0.01, 3., 30.])
def test_the_kernel_agrees_with_the_plain_version_in_float64(size, classes, scale):
    logits = torch.randn(2, classes, *size) * scale
    kernel, plain = summarize(logits), ClassSummary(*summarize_plainly(logits.double()))
    assert torch.equal(kernel.predicted.long(), logits.argmax(dim=1))
    assert torch.equal(kernel.maximum, logits.amax(dim=1))
    for field in ('gap', 'rest', 'spread'):
        assert_close(getattr(kernel, field).double(), getattr(plain, field), rtol=1e-5, atol=1e-33)


def test_threads_and_memory_layout_do_not_change_the_summary():
    logits = torch.randn(2, 5, 120, 100)
    one = summarize(logits)
    torch.set_num_threads(3)
    try:
        for other in (summarize(logits), summarize(logits.to(memory_format=torch.channels_last))):
            assert all(torch.equal(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    finally:
        torch.set_num_threads(1)


def test_of_equal_logits_the_first_is_predicted():
    logits = torch.tensor([1., 3., 3., 2., 3.]).view(1, 5, 1).repeat(1, 1, 40)
    assert (summarize(logits).predicted == 1).all()


def test_impossible_classes_do_not_disturb_the_kernel():
    logits = torch.randn(1, 4, 6)
    padded = torch.cat([logits, torch.full((1, 1, 6), -torch.inf)], dim=1)
    for score in ALL:
        assert_close(score(padded), score(logits))


@pytest.mark.parametrize('lowest', [-torch.inf, -3e38])
@pytest.mark.parametrize('score', ALL, ids=lambda score: score.__name__)
def test_classes_without_probability_are_the_same_on_every_path(score, lowest):
    logits = torch.randn(2, 5, 6, 7) + (3e38 if lowest > -torch.inf else 0)
    logits[:, 1], logits[0, 3] = lowest, lowest
    expected = []
    for image, present in ((0, [0, 2, 4]), (1, [0, 2, 3, 4])):
        expected.append(score(logits[image:image + 1, present]))
    expected = torch.cat(expected)
    variable = logits.clone().requires_grad_()
    plain = score(ClassSummary(*summarize_plainly(logits)))
    for found in (score(logits), plain, score(variable).detach(), score(logits.double()).float()):
        assert found.isfinite().all()
        assert_close(found, expected, rtol=1e-5, atol=1e-30)
    score(variable).sum().backward()
    assert variable.grad.isfinite().all()


def test_blocks_equal_one_pass():
    logits = torch.randn(2, 7, 211, 173)
    whole = [score(logits.requires_grad_()) for score in ALL]
    for score, expected in zip(ALL, whole):
        assert_close(score(logits.detach()), expected.detach())


@pytest.mark.parametrize('score', [msp, max_logit, energy, entropy, margin])
def test_logits_without_positions_are_scored_as_a_map_of_one_pixel(score):
    logits = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    assert_close(score(logits), score(logits[..., None, None])[..., 0, 0], rtol=0, atol=0)


def test_scores_have_gradients():
    logits = torch.randn(1, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    for score in ALL:
        assert torch.autograd.gradcheck(score, logits)


def test_half_precision_is_summarized_in_float32():
    logits = torch.randn(1, 6, 9, 9).half()
    assert entropy(logits).dtype == torch.float32
    assert_close(entropy(logits), entropy(logits.float()))


def test_nan_reaches_every_score():
    logits = torch.zeros(1, 3, 1, 2)
    logits[0, 1, 0, 1] = torch.nan
    for score in ALL:
        assert score(logits).isnan().tolist() == [[[False, True]]]


def test_one_class_is_refused():
    with pytest.raises(ValueError, match='at least 2 classes'):
        summarize(torch.zeros(1, 1, 2, 2))


def test_standardized_max_logit_is_standard_normal_on_its_own_statistics():
    logits = torch.randn(1, 3, 200, 200, dtype=torch.float64)
    maximum, predicted = logits.max(dim=1)
    means = torch.stack([maximum[predicted == k].mean() for k in range(3)])
    variances = torch.stack([maximum[predicted == k].var(correction=0) for k in range(3)])
    score = standardized_max_logit(logits, means, variances)
    for k in range(3):
        assert_close(score[predicted == k].mean(), torch.zeros((), dtype=torch.float64), atol=1e-9, rtol=0)
        assert_close(score[predicted == k].var(correction=0), torch.ones((), dtype=torch.float64))


def test_mutual_information_is_zero_for_equal_samples_and_log_k_for_disjoint_ones():
    same = torch.rand(1, 2, 4, 3).softmax(dim=2).expand(5, -1, -1, -1)
    assert_close(mutual_information(same), torch.zeros(2, 3), atol=1e-6, rtol=0)
    disjoint = torch.eye(4)[:, None, :, None]
    assert_close(mutual_information(disjoint), torch.full((1, 1), float(np.log(4))))


def test_mutual_information_of_samples_that_agree_is_never_negative():
    generator = torch.Generator().manual_seed(0)
    probabilities = (8 * torch.randn(1, 6, 19, 50, generator=generator)).softmax(dim=2)
    nearly = probabilities * (1 + 1e-7 * torch.randn(7, 6, 19, 50, generator=generator))
    assert mutual_information(nearly).min() >= 0

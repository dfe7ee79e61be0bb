"""What outputs of models mean."""
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mmseg_uncertainty.functional import energy, entropy, margin, msp
from mmseg_uncertainty.functional.class_distributions import (DISTRIBUTIONS, MaskMass, OneSigmoid, Sigmoids, Softmax,
                                                              class_distribution)
from mmseg_uncertainty.functional.ensembles import EnsembleStatistics

CHANNELS = {'softmax': 4, 'sigmoid': 1, 'sigmoids': 4, 'mask mass': 4}


def scores_of(name, seed, spread=4.0):
    scores = spread * torch.randn(2, CHANNELS[name], 3, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return scores.exp() if name == 'mask mass' else scores


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_mass_of_masks_becomes_its_share(seed):
    generator = torch.Generator().manual_seed(seed)
    classes = torch.rand(1, 6, 5, generator=generator).softmax(-1)[..., :-1]
    masks = torch.rand(1, 6, 3, 4, generator=generator)
    mass = torch.einsum('nqk,nqhw->nkhw', classes, masks)
    logits = MaskMass().class_logits(mass)
    assert_close(logits.softmax(1), mass / mass.sum(1, keepdim=True))
    assert_close(msp(logits), 1 - mass.amax(1) / mass.sum(1))
    assert_close(energy(logits), -mass.sum(1).log())
    assert torch.equal(logits.argmax(1), mass.argmax(1))


def test_no_mass_is_finite_and_most_uncertain():
    logits = MaskMass().class_logits(torch.zeros(1, 4, 1, 1))
    assert logits.isfinite().all() and msp(logits).item() == pytest.approx(0.75)


def test_logits_stay_and_one_channel_becomes_two():
    logits = torch.randn(2, 3, 4, 5)
    assert Softmax().class_logits(logits) is logits
    assert_close(OneSigmoid().class_logits(logits[:, :1]).softmax(1)[:, 1], logits[:, 0].sigmoid())


@pytest.mark.parametrize('name', DISTRIBUTIONS)
@pytest.mark.parametrize('threshold', [0.5, 0.3, 0.8])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_msp_is_the_probability_that_the_prediction_is_wrong(name, threshold, seed):
    distribution, scores = class_distribution(name, threshold), scores_of(name, seed)
    logits = distribution.class_logits(scores)
    probabilities, predicted = distribution.probabilities(logits), distribution.predict(scores)
    chosen = probabilities.gather(1, predicted[:, None])[:, 0]
    summary = distribution.summarize(logits, None if distribution.predicts_likeliest else predicted)
    assert torch.equal(summary.predicted.long(), predicted)
    assert_close(msp(summary), 1 - chosen)
    assert torch.equal(distribution.choose(probabilities), predicted)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), threshold=st.floats(0.05, 0.95))
def test_scores_of_one_channel_are_those_of_its_two_classes(seed, threshold):
    distribution, scores = OneSigmoid(threshold), scores_of('sigmoid', seed)
    foreground = scores[:, 0].sigmoid()
    chosen = torch.where(foreground > threshold, foreground, 1 - foreground)
    summary = distribution.summarize(distribution.class_logits(scores), distribution.predict(scores))
    assert_close(entropy(summary), -(foreground.xlogy(foreground) + (1 - foreground).xlogy(1 - foreground)))
    assert_close(margin(summary), 1 - (2 * chosen - 1))
    assert_close(energy(summary), -torch.log1p(scores[:, 0].exp()))


def test_the_default_threshold_of_mmseg_decides():
    scores = torch.tensor([0.4, 0.2, 0.6]).logit().view(1, 1, 1, 3)
    distribution = OneSigmoid(0.3)
    assert distribution.predict(scores).flatten().tolist() == [1, 0, 1]
    summary = distribution.summarize(distribution.class_logits(scores), distribution.predict(scores))
    assert_close(msp(summary).flatten(), torch.tensor([0.6, 0.2, 0.4]))


def test_sigmoids_are_coins():
    logits = scores_of('sigmoids', 3)
    probabilities = logits.sigmoid()
    top = probabilities.amax(1)
    summary = Sigmoids().summarize(logits)
    assert_close(entropy(summary), -(top.xlogy(top) + (1 - top).xlogy(1 - top)))
    coins = -(probabilities.xlogy(probabilities) + (1 - probabilities).xlogy(1 - probabilities)).sum(1)
    assert_close(Sigmoids().entropy(probabilities), coins)
    sampled = Sigmoids().sampled(probabilities[None])
    assert sampled.shape == (1, 2, 2, 3, 5)
    assert_close(sampled[0, :, 1], top)


@pytest.mark.parametrize('size', [1e3, 1e30, math.inf])
def test_extreme_logits_stay_finite(size):
    for distribution, logits in ((OneSigmoid(0.3), torch.tensor([0., size])), (Sigmoids(), torch.tensor([-size, -size]))):
        summary = distribution.summarize(logits.view(1, 2, 1, 1))
        assert all(score(summary).isfinite().all() for score in (msp, entropy, margin))


@pytest.mark.parametrize('name', DISTRIBUTIONS)
def test_scores_give_back_their_probabilities(name):
    distribution, scores = class_distribution(name, 0.3), scores_of(name, 5)
    probabilities = distribution.probabilities(distribution.class_logits(scores))
    again = distribution.scores(probabilities)
    assert again.shape == scores.shape
    assert_close(distribution.probabilities(distribution.class_logits(again)), probabilities)


@pytest.mark.parametrize('name', DISTRIBUTIONS)
def test_equal_members_have_their_entropy_and_no_disagreement(name):
    distribution, scores = class_distribution(name), scores_of(name, 7)
    logits = distribution.class_logits(scores)
    statistics = EnsembleStatistics(distribution)
    for _ in range(3):
        statistics.add(logits)
    assert_close(statistics.mean(), distribution.probabilities(logits))
    assert_close(statistics.entropy(), distribution.entropy(distribution.probabilities(logits)))
    assert statistics.mutual_information().abs().max() < 1e-12


def test_unknown_outputs_are_named():
    with pytest.raises(ValueError, match="'softmaxx'.*softmax"):
        class_distribution('softmaxx')


def test_a_probability_at_the_threshold_is_background():
    probabilities = torch.tensor([0.75, 0.25]).view(1, 2, 1)
    assert OneSigmoid(0.25).choose(probabilities).item() == 0 and OneSigmoid(0.2).choose(probabilities).item() == 1
    assert OneSigmoid(0.5).predict(torch.zeros(1, 1, 1)).item() == 0

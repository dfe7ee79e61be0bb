"""MCDropoutHead: samples are what dropout in front of the classifier gives."""
from __future__ import annotations

import math

import pytest
import torch
from mmseg.models.decode_heads import FCNHead
from torch.nn import functional as F
from torch.testing import assert_close

from mmseg_uncertainty.functional.sampled_predictions import MEASURES
from mmseg_uncertainty.models.decode_heads import mc_dropout_head
from mmseg_uncertainty.models.decode_heads.mc_dropout_head import MCDropoutHead
from mmseg_uncertainty.models.segmentors import PosthocSegmentor
from tests.tiny import model_around


def decode_head(dropout_ratio: float = 0.3) -> FCNHead:
    torch.manual_seed(0)
    head = FCNHead(in_channels=8, channels=8, num_convs=0, concat_input=False, num_classes=4, dropout_ratio=dropout_ratio)
    torch.nn.init.normal_(head.conv_seg.weight)
    return head.eval().requires_grad_(False)


def bound(head: FCNHead, **options) -> MCDropoutHead:
    mc_dropout = MCDropoutHead(**options)
    mc_dropout.bind(model_around(head))
    return mc_dropout


def test_samples_equal_classifying_masked_features():
    base = decode_head()
    head = bound(base, samples=5)
    features = torch.randn(2, 8, 3, 4)
    masks = head._masks(features)
    assert_close(masks.unique(), torch.tensor([0.0, 1 / 0.7]))
    expected = torch.stack([base.conv_seg(features * mask[:, None, None]).softmax(dim=1) for mask in masks])
    assert_close(head.sampled_probabilities(features), expected)


def test_the_mean_logit_weight_is_unbiased():
    masks = bound(decode_head(), samples=4000)._masks(torch.zeros(1, 8, 1, 1))
    assert_close(masks.mean(dim=0), torch.ones(8), atol=0.06, rtol=0)


@pytest.mark.parametrize('measure', MEASURES)
def test_scores_are_repeatable_and_leave_the_global_generator_alone(measure):
    head = bound(decode_head(), samples=4, measure=measure)
    features = torch.randn(1, 8, 3, 4)
    torch.manual_seed(5)
    first = head(torch.zeros(1, 4, 3, 4), features)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))
    assert torch.equal(first, head(torch.zeros(1, 4, 3, 4), features)) and first.shape == (1, 3, 4)


@pytest.mark.parametrize('measure', MEASURES)
def test_blocks_of_pixels_give_the_scores_of_the_whole_map(measure, monkeypatch):
    head = bound(decode_head(), samples=4, measure=measure)
    features, logits = torch.randn(2, 8, 5, 7), torch.zeros(2, 4, 5, 7)
    whole = MEASURES[measure](head.sampled_probabilities(features))
    for pixels in (1, 4, 35, 36):
        monkeypatch.setattr(mc_dropout_head, 'BLOCK_LOGITS', pixels * 2 * 4 * 4)
        assert_close(head.score(logits, features), whole)


def test_a_classifier_with_a_neighbourhood_sees_the_whole_map(monkeypatch):
    base = decode_head()
    base.conv_seg = torch.nn.Conv2d(8, 4, 3, padding=1)
    head = bound(base, samples=3)
    features = torch.randn(1, 8, 5, 7)
    monkeypatch.setattr(mc_dropout_head, 'BLOCK_LOGITS', 1)
    assert_close(head.score(torch.zeros(1, 4, 5, 7), features), MEASURES['entropy'](head.sampled_probabilities(features)))


def test_the_published_measure_starts_without_dropout():
    base = decode_head()
    features = torch.randn(1, 8, 3, 4)
    head = bound(base, samples=3, measure='published')
    assert_close(head.sampled_probabilities(features)[0], base.conv_seg(features).softmax(dim=1))


def test_a_model_without_dropout_gets_one_and_is_told():
    assert bound(decode_head(0.3)).dropout_ratio == 0.3
    assert bound(decode_head(0.0)).dropout_ratio == 0.5
    assert bound(decode_head(0.0), dropout_ratio=0.2).dropout_ratio == 0.2


def test_measures_agree_with_their_definitions():
    probabilities = torch.rand(6, 2, 4, 3, dtype=torch.float64).log_softmax(dim=2).exp()
    mean = probabilities.mean(dim=0)
    entropy = torch.distributions.Categorical(probs=mean.movedim(1, -1)).entropy()
    assert_close(MEASURES['entropy'](probabilities), entropy)
    assert_close(MEASURES['msp'](probabilities), 1 - mean.amax(dim=1))
    assert_close(MEASURES['published'](probabilities), -torch.exp(-entropy), atol=1e-6, rtol=0)
    divergence = F.kl_div(mean.log().expand_as(probabilities), probabilities, reduction='none').sum(dim=2).mean(dim=0)
    assert_close(MEASURES['mutual_information'](probabilities), divergence)


def test_wrong_use_is_named():
    with pytest.raises(ValueError, match='measure'):
        MCDropoutHead(measure='variance')
    with pytest.raises(ValueError, match='dropout_ratio'):
        MCDropoutHead(dropout_ratio=1.5)
    with pytest.raises(TypeError, match='classifier is a Conv2d'):
        MCDropoutHead().bind(model_around(torch.nn.Identity()))
    with pytest.raises(RuntimeError, match='bind'):
        MCDropoutHead()(torch.zeros(1, 4, 2, 2), torch.zeros(1, 8, 2, 2))


def test_the_segmentor_binds_its_classifier():
    segmentor = PosthocSegmentor(
        uncertainty_heads=dict(mcd=dict(type='MCDropoutHead', samples=3)),
        backbone=dict(type='ERFNet'),
        decode_head=dict(type='FCNHead', in_channels=16, channels=16, num_convs=0, concat_input=False, num_classes=3,
                         dropout_ratio=0.25),
        train_cfg=dict(), test_cfg=dict(mode='whole')).eval()
    sample, = segmentor.predict(torch.randn(1, 3, 32, 32))
    assert sample.uncertainty.mcd.shape == (1, 32, 32)
    assert segmentor.uncertainty_heads.mcd.dropout_ratio == 0.25
    assert not any('mcd' in key for key in segmentor.state_dict())


def test_a_measure_is_shown_between_its_smallest_and_largest_value():
    ends = {measure: MCDropoutHead(measure=measure).scale(4).range for measure in MEASURES}
    assert ends == dict(published=(-1, -0.25), msp=(0, 0.75), entropy=(0, pytest.approx(math.log(4))),
                        mutual_information=(0, pytest.approx(math.log(4))))

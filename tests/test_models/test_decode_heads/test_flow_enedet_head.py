"""FlowEneDetHead: what it starts from, what it learns from, and what it accepts."""
from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from mmseg_uncertainty.functional import msp
from mmseg_uncertainty.models.decode_heads.flow_enedet_head import FlowEneDetHead
from mmseg_uncertainty.structures import FrozenOutputs

K = 5


def make_head(conditional: bool, **options) -> FlowEneDetHead:
    torch.manual_seed(0)
    return FlowEneDetHead(K, conditional=conditional, condition_channels=4, flow=dict(blocks=2, hidden_channels=8),
                          **options)


def make_outputs(size=(6, 7), seed=0) -> tuple[FrozenOutputs, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    native = 3 * torch.randn(2, K, *size, generator=generator)
    output_size = (size[0] * 4, size[1] * 4)
    logits = torch.nn.functional.interpolate(native, size=output_size, mode='bilinear')
    labels = torch.where(torch.rand(2, *output_size, generator=generator) < 0.7, logits.argmax(1), 0)
    labels[:, :2], labels[:, :, -3:] = 255, 254
    return FrozenOutputs(logits, native, torch.rand(2, 8, *size, generator=generator)), labels


@pytest.mark.parametrize('conditional', [False, True])
def test_gradients_reach_every_parameter(conditional):
    head = make_head(conditional, loss_decode=dict(type='FlowEneDetLoss', likelihood_weight=0.1)).train()
    losses = head.loss(*make_outputs())
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    missing = [name for name, parameter in head.named_parameters() if parameter.grad is None]
    assert not missing
    assert losses.keys() == {'loss_posterior', 'loss_likelihood', 'wrong_share'}


@pytest.mark.parametrize('resolution', ['native', 'output'])
def test_an_unfitted_head_ranks_as_its_first_input(resolution):
    head = make_head(False, resolution=resolution)
    outputs, labels = make_outputs()
    head.train().loss(outputs, labels)
    logits = outputs.native_logits
    order = head.eval()(logits).flatten().argsort().argsort().double()
    expected = msp(logits).flatten().argsort().argsort().double()
    assert torch.corrcoef(torch.stack([order, expected]))[0, 1] > 0.98


@pytest.mark.parametrize('conditional', [False, True])
def test_fitting_lowers_the_loss(conditional):
    head = make_head(conditional).train()
    outputs, labels = make_outputs()
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-2)
    first = None
    for _ in range(30):
        loss = head.loss(outputs, labels)['loss_posterior']
        first = loss.item() if first is None else first
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.95 * first


@pytest.mark.parametrize('conditional', [False, True])
@pytest.mark.parametrize('size', [(1, 1), (1, 5), (9, 3)])
def test_maps_of_any_size_are_scored(conditional, size):
    head = make_head(conditional).eval()
    assert head(torch.randn(2, K, *size), torch.randn(2, 8, *size)).shape == (2, *size)


def test_scale_factor_sets_the_resolution_of_the_flow():
    head = make_head(True, scale_factor=2.0).eval()
    assert head(torch.randn(1, K, 4, 5), torch.randn(1, 8, 4, 5)).shape == (1, 8, 10)


def test_what_is_padding_does_not_change_the_normalization():
    first, second = make_head(False).train(), make_head(False).train()
    outputs, labels = make_outputs()
    first.loss(outputs, labels)
    native = outputs.native_logits.clone()
    labels[..., -4:] = 254
    first = make_head(False).train()
    first.loss(outputs, labels)
    native[..., -1] *= 100
    second.loss(FrozenOutputs(outputs.logits, native, outputs.features), labels)
    assert_close(first.flow.layers[0].shift, second.flow.layers[0].shift)


def test_the_state_survives_saving():
    head = make_head(True).train()
    outputs, labels = make_outputs()
    head.loss(outputs, labels)
    copy = make_head(True)
    copy.load_state_dict(head.state_dict())
    assert copy.flow.initialized
    assert_close(copy.eval()(outputs.native_logits, outputs.features),
                 head.eval()(outputs.native_logits, outputs.features))


def test_wrong_use_is_named():
    with pytest.raises(ValueError, match='temperature'):
        make_head(False, inputs=('gap', 'temperature'))
    with pytest.raises(ValueError, match='conditional=False'):
        make_head(True)(torch.randn(1, K, 2, 2), None)
    with pytest.raises(ValueError, match='divisors of 6'):
        make_head(True)(torch.randn(1, K, 2, 2), torch.randn(1, 6, 2, 2))


@pytest.mark.parametrize('conditional', [False, True])
def test_the_published_variant_learns_and_scores_probabilities(conditional):
    head = FlowEneDetHead(K, conditional, 'published', condition_channels=4, statistics_iterations=1).train()
    outputs, labels = make_outputs()
    head.loss(outputs, labels)['loss_posterior'].backward()
    assert all(parameter.grad is not None for parameter in head.flow.parameters() if parameter.numel())
    means = head.statistics.means.clone()
    head.loss(FrozenOutputs(outputs.logits + 9, outputs.native_logits, outputs.features), labels)
    assert torch.equal(head.statistics.means, means)
    score = head.eval()(outputs.native_logits, outputs.features)
    assert score.min() >= 0 and score.max() <= 1


def test_wrong_use_of_the_published_variant_is_named():
    with pytest.raises(ValueError, match='likelihood_weight'):
        FlowEneDetHead(K, variant='published', loss_decode=dict(type='FlowEneDetLoss', likelihood_weight=0.1))
    with pytest.raises(RuntimeError, match='no class statistics'):
        FlowEneDetHead(K, variant='published')(torch.randn(1, K, 5, 5))
    with pytest.raises(ValueError, match='variant'):
        FlowEneDetHead(K, variant='new')
    small = FlowEneDetHead(K, variant='published', class_statistics=dict(means=[0.0] * K, variances=[1.0] * K))
    with pytest.raises(ValueError, match='4x4'):
        small(torch.randn(1, K, 3, 9))


def test_an_exported_head_scores_the_same():
    head = make_head(True, scale_factor=2.0).eval()
    inputs = torch.randn(1, K, 6, 7), torch.randn(1, 8, 6, 7)
    exported = torch.export.export(head, inputs).module()
    assert_close(exported(*inputs), head(*inputs), atol=1e-5, rtol=0)


def test_random_pixels_estimate_the_loss_of_all():
    outputs, labels = make_outputs()
    options = dict(resolution='output', class_condition=False)
    losses = []
    for training_pixels in (None, 20000):
        torch.manual_seed(0)
        head = FlowEneDetHead(K, training_pixels=training_pixels, flow=dict(kernel_size=1), **options)
        head.eval().flow.initialize(*head.flow_variables(outputs.logits, None), torch.ones(labels.shape))
        losses.append(head.train().loss(outputs, labels)['loss_posterior'].item())
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_random_pixels_teach_the_conditional_flow_where_labels_are():
    head = FlowEneDetHead(K, conditional=True, condition_channels=4, training_pixels=50, flow=dict(kernel_size=1)).train()
    sum(value for name, value in head.loss(*make_outputs()).items() if 'loss' in name).backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_random_pixels_need_a_flow_that_sees_one_pixel():
    with pytest.raises(ValueError, match='training_pixels=50 needs a flow that sees one pixel'):
        FlowEneDetHead(K, training_pixels=50)


@pytest.mark.parametrize('training_pixels', [None, 50])
def test_features_relative_to_their_image_forget_its_light(training_pixels):
    outputs, labels = make_outputs()
    brighter = FrozenOutputs(outputs.logits, outputs.native_logits, 3 * outputs.features + 5)
    losses, scores = [], []
    for given in (outputs, brighter):
        torch.manual_seed(0)
        head = FlowEneDetHead(K, conditional=True, condition_channels=4, standardize_features=True,
                              training_pixels=training_pixels, flow=dict(kernel_size=1)).train()
        losses.append(head.loss(given, labels)['loss_posterior'])
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        scores.append(head.eval()(given.native_logits, given.features))
    assert_close(losses[0], losses[1], rtol=2e-3, atol=1e-3)
    assert_close(scores[0], scores[1], rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize('options', [{}, dict(training_pixels=20)])
def test_a_head_that_saw_nothing_but_void_says_so(options):
    head = FlowEneDetHead(K, flow=dict(blocks=2, hidden_channels=8, kernel_size=1), **options).train()
    outputs, labels = make_outputs()
    head.check_learned()
    head.loss(outputs, torch.full_like(labels, 255))
    with pytest.raises(ValueError, match='FlowEneDetHead: no pixel of the training images is labelled'):
        head.check_learned()
    head.loss(outputs, labels)
    head.check_learned()

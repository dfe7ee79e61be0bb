"""Losses as decode heads call them."""
import json

import pytest
import torch
from mmseg.registry import MODELS
from sklearn.metrics import matthews_corrcoef
from torch.nn import functional as F
from torch.testing import assert_close

from mmseg_uncertainty.functional.class_losses import binary_losses

LOSSES = [
    dict(type='SoftmaxFocalLoss'),
    dict(type='SoftmaxFocalLoss', gamma=0.5, class_weight=[1., 2., 3., 4.]),
    dict(type='TopKPixelLoss', share=0.3),
    dict(type='TopKPixelLoss', share=0.3, use_sigmoid=True),
    dict(type='MatthewsCorrelationLoss'),
]
WEIGHT = [0.2, 1., 3., 0.7]


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, 4, 6, 8, generator=generator)
    labels = torch.randint(4, (2, 6, 8), generator=generator)
    labels[:, :2, :3] = 255
    return logits, labels


def test_weighted_cross_entropy_is_that_of_torch_and_of_mmseg():
    logits, labels = batch()
    expected = F.cross_entropy(logits, labels, torch.tensor(WEIGHT), ignore_index=255)
    assert_close(MODELS.build(dict(type='SoftmaxFocalLoss', gamma=0., class_weight=WEIGHT))(logits, labels), expected)
    mmseg = MODELS.build(dict(type='CrossEntropyLoss', class_weight=WEIGHT))
    assert_close(mmseg(logits, labels, ignore_index=255), expected)


def test_weights_come_from_a_file_and_their_number_is_checked(tmp_path):
    path = tmp_path / 'weights.json'
    path.write_text(json.dumps(WEIGHT))
    logits, labels = batch()
    config = dict(type='SoftmaxFocalLoss', gamma=1.)
    assert_close(MODELS.build(dict(config, class_weight=str(path)))(logits, labels),
                 MODELS.build(dict(config, class_weight=WEIGHT))(logits, labels))
    with pytest.raises(ValueError, match='3 entries, but the model has 4 classes'):
        MODELS.build(dict(config, class_weight=WEIGHT[:3]))(logits, labels)


@pytest.mark.parametrize('config', LOSSES, ids=lambda config: config['type'])
def test_void_pixels_do_not_count_and_a_void_batch_costs_nothing_that_breaks(config):
    loss, (logits, labels) = MODELS.build(config), batch()
    changed = logits.clone()
    changed.movedim(1, -1)[labels == 255] += 50
    assert_close(loss(changed, labels), loss(logits, labels))
    logits.requires_grad_()
    value = loss(logits, torch.full_like(labels, 255))
    value.backward()
    assert value.isfinite() and not logits.grad.any()
    assert loss.loss_name.startswith('loss_')


@pytest.mark.parametrize('config', LOSSES, ids=lambda config: config['type'])
def test_half_precision_changes_little(config):
    loss, (logits, labels) = MODELS.build(config), batch()
    with torch.autocast('cpu', torch.bfloat16):
        half = loss(logits.bfloat16(), labels)
    assert half.dtype == torch.float32
    assert_close(half, loss(logits, labels), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize('config', LOSSES, ids=lambda config: config['type'])
def test_learning_on_it_finds_the_labels(config):
    loss, (logits, labels) = MODELS.build(config), batch()
    logits = torch.zeros_like(logits).add_(0.01 * logits).requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(60):
        optimizer.zero_grad()
        loss(logits, labels).backward()
        optimizer.step()
    known = labels != 255
    assert (logits.argmax(1) == labels)[known].float().mean() > 0.95


def test_hardest_pixels_of_each_image_and_class_as_released():
    logits, labels = batch()
    labels = labels.clamp_max(3)
    losses = binary_losses(logits, labels).flatten(2)
    expected = losses.sort(dim=2, descending=True).values[..., :24].mean()
    assert_close(MODELS.build(dict(type='TopKPixelLoss', share=0.5, use_sigmoid=True))(logits, labels), expected)


def test_options_out_of_range_are_named():
    with pytest.raises(ValueError, match='gamma=-1'):
        MODELS.build(dict(type='SoftmaxFocalLoss', gamma=-1))
    with pytest.raises(ValueError, match='share=0'):
        MODELS.build(dict(type='TopKPixelLoss', share=0))


def test_further_weights_multiply_those_of_the_classes():
    loss, (logits, labels) = MODELS.build(dict(type='SoftmaxFocalLoss', class_weight=WEIGHT)), batch()
    seen = []
    loss.compute = lambda logits, labels, weights, ignore_index: seen.append(weights) or weights.sum()
    further = torch.rand(labels.shape, generator=torch.Generator().manual_seed(2))
    loss(logits, labels), loss(logits, labels, weight=further)
    assert_close(seen[1], seen[0] * further)
    assert not seen[1][labels == 255].any()


def test_the_correlation_is_that_of_scikit_learn():
    _, labels = batch()
    labels = labels.clamp_max(3)
    predicted = labels.where(torch.rand(labels.shape, generator=torch.Generator().manual_seed(1)) < 0.6, 0)
    logits = 100 * F.one_hot(predicted, 4).movedim(-1, 1).float()
    loss = MODELS.build(dict(type='MatthewsCorrelationLoss'))
    assert loss(logits, labels).item() == pytest.approx(1 - matthews_corrcoef(labels.flatten(), predicted.flatten()), abs=1e-5)

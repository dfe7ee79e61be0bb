"""Scores of features and of the classifier are the formulas of their papers, written down once more in NumPy and float64."""
import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax
from sklearn.decomposition import PCA
from torch import nn
from torch.testing import assert_close

from mmseg_uncertainty.functional.boundary_distance import boundary_distance
from mmseg_uncertainty.functional.class_distributions import class_distribution
from mmseg_uncertainty.models.decode_heads import (FDBDHead, MahalanobisHead, NECOHead, PNMLHead, ReActHead, ResidualHead,
                                                   SCALEHead)
from mmseg_uncertainty.models.decode_heads.linear_classifier import LinearClassifier
from mmseg_uncertainty.structures import GridOutputs
from tests.tiny import HeadAsBase, model_around

K, C = 4, 9


class DecodeHead(nn.Module):

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv_seg = nn.Conv2d(C, K, 1)
        nn.init.normal_(self.conv_seg.bias, std=2)


def images(seed, count=5):
    """Features (N, h, w, C) behind a ReLU, and labels with void."""
    generator = torch.Generator().manual_seed(seed)
    features = (0.7 + torch.randn(count, 6, 8, C, generator=generator) @ torch.randn(C, C, generator=generator)).relu()
    labels = torch.randint(K, (count, 6, 8), generator=generator)
    return features, labels.masked_fill(torch.rand(labels.shape, generator=generator) < 0.3, 255)


def found(head, fitted_on, given):
    """Scores (N, h, w) of features (N, h, w, C) after a fit."""
    base = DecodeHead()
    head.bind(model_around(base))
    for stage in range(getattr(head, 'stages', 0)):
        head.start_stage(stage)
        for features, labels in fitted_on:
            maps = features.movedim(-1, 1)
            head.add(features, labels, GridOutputs(base.conv_seg(maps).detach(), maps), [{}] * len(labels))
        head.merge_ranks()
        head.finish_stage(stage)
    maps = given.movedim(-1, 1)
    return head(base.conv_seg(maps).detach(), maps).numpy()


def classifier():
    layer = DecodeHead().conv_seg
    return layer.weight.detach().double().numpy()[:, :, 0, 0], layer.bias.detach().double().numpy()


def training(batches):
    features = np.concatenate([features.double().numpy()[labels.numpy() != 255] for features, labels in batches])
    return features, np.concatenate([labels.numpy()[labels.numpy() != 255] for _, labels in batches])


BATCHES, GIVEN = [images(1), images(2)], images(3)[0]
# A channel that is never active where the fit sees it.
DEAD = [(features * (torch.arange(C) != 2), labels) for features, labels in BATCHES]
SILENT = [(0 * features, labels) for features, labels in BATCHES]


@pytest.mark.parametrize('percentile', [0.6, 0.9])
def test_react(percentile):
    (weight, bias), (train, _) = classifier(), training(BATCHES)
    limit = np.quantile(train, percentile)
    expected = -logsumexp(np.minimum(GIVEN.double().numpy(), limit) @ weight.T + bias, axis=-1)
    np.testing.assert_allclose(found(ReActHead(K, percentile), BATCHES, GIVEN), expected, atol=0.02)


@pytest.mark.parametrize('percentile', [0., 0.65, 0.85])
def test_scale(percentile):
    (weight, bias), f = classifier(), GIVEN.double().numpy()
    kept = np.sort(f, axis=-1)[..., ::-1][..., :C - round(C * percentile)]
    scaled = f * np.exp(f.sum(axis=-1) / np.maximum(kept.sum(axis=-1), 1e-300))[..., None]
    np.testing.assert_allclose(found(SCALEHead(percentile), [], GIVEN), -logsumexp(scaled @ weight.T + bias, axis=-1), rtol=1e-4,
                               atol=1e-3)


def test_fdbd():
    (weight, bias), (train, _), f = classifier(), training(BATCHES), GIVEN.double().numpy()
    logits, center = f @ weight.T + bias, train.mean(axis=0)

    def about(predicted):
        expected = np.zeros(f.shape[:-1])
        for place in np.ndindex(expected.shape):
            own = predicted[place]
            parts = [abs(logits[place][own] - logits[place][k]) / np.linalg.norm(weight[own] - weight[k])
                     for k in range(K) if k != own]
            expected[place] = -np.mean(parts) / np.linalg.norm(f[place] - center)
        return expected

    expected, second = about(logits.argmax(axis=-1)), logits.argsort(axis=-1)[..., -2]
    np.testing.assert_allclose(found(FDBDHead(K), BATCHES, GIVEN), expected, rtol=1e-4)
    given = [torch.from_numpy(values) for values in (np.moveaxis(logits, -1, 1), np.moveaxis(f, -1, 1), weight, center)]
    np.testing.assert_allclose(boundary_distance(*given), expected)
    np.testing.assert_allclose(boundary_distance(*given, torch.from_numpy(second)), about(second))


def test_residual():
    (weight, bias), (train, _) = classifier(), training(BATCHES)
    origin = -np.linalg.pinv(weight) @ bias
    _, vectors = np.linalg.eigh((train - origin).T @ (train - origin))
    expected = np.linalg.norm((GIVEN.double().numpy() - origin) @ vectors[:, :C - 3], axis=-1)
    np.testing.assert_allclose(found(ResidualHead(K, dimensions=3), BATCHES, GIVEN), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('batches', [BATCHES, DEAD], ids=['active', 'dead'])
@pytest.mark.parametrize('max_logit', [True, False])
@pytest.mark.parametrize('options, components', [(dict(share=0.8), 0.8), (dict(dimensions=3), 3)])
def test_neco(max_logit, options, components, batches):
    (weight, bias), (train, _), f = classifier(), training(batches), GIVEN.double().numpy()
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[deviation == 0] = 1
    pca = PCA(n_components=components, svd_solver='full').fit((train - mean) / deviation)
    given = (f - mean) / deviation
    share = np.linalg.norm(pca.transform(given.reshape(-1, C)), axis=1).reshape(f.shape[:-1]) / np.linalg.norm(given, axis=-1)
    expected = -share * ((f @ weight.T + bias).max(axis=-1) if max_logit else 1)
    np.testing.assert_allclose(found(NECOHead(K, max_logit=max_logit, **options), batches, GIVEN), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('batches', [BATCHES, DEAD, SILENT], ids=['active', 'dead', 'silent'])
def test_pnml(batches):
    (weight, bias), (train, _), f = classifier(), training(batches), GIVEN.double().numpy()
    unit, rows = (values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1e-12) for values in (f, train))
    leverage = np.einsum('...c,cd,...d->...', unit, np.linalg.pinv(rows.T @ rows), unit)
    p = softmax(f @ weight.T + bias, axis=-1)
    g = (leverage / (1 + leverage))[..., None]
    expected = np.log((p / (p + p**g * (1 - p))).sum(axis=-1))
    np.testing.assert_allclose(found(PNMLHead(K), batches, GIVEN), expected, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize('normalize', [False, True])
@pytest.mark.parametrize('relative', [False, True])
def test_mahalanobis_and_its_variants(normalize, relative):
    (train, labels), f = training(BATCHES), GIVEN.double().numpy()
    if normalize:
        train, f = (values / np.linalg.norm(values, axis=-1, keepdims=True) for values in (train, f))
    means = np.stack([train[labels == k].mean(axis=0) for k in range(K)])

    def distance(centred, about):
        covariance = centred.T @ centred / len(centred)
        inverse = np.linalg.inv(covariance + 1e-3 * np.trace(covariance) / C * np.eye(C))
        return np.einsum('...c,cd,...d->...', f - about, inverse, f - about)

    expected = np.min([distance(train - means[labels], mean) for mean in means], axis=0)
    if relative:
        expected = expected - distance(train - train.mean(axis=0), train.mean(axis=0))
    head = MahalanobisHead(K, normalize=normalize, relative=relative)
    np.testing.assert_allclose(found(head, BATCHES, GIVEN), expected, rtol=1e-3, atol=2e-3)


def test_a_length_changes_nothing_of_normalized_features():
    head = MahalanobisHead(K, normalize=True)
    np.testing.assert_allclose(found(head, BATCHES, 7 * GIVEN), found(MahalanobisHead(K, normalize=True), BATCHES, GIVEN), rtol=1e-4)


def test_one_sigmoid_is_a_class_beside_zero():
    base = HeadAsBase(DecodeHead())
    base.network.conv_seg = nn.Conv2d(C, 1, 1)
    base.distribution = class_distribution('sigmoid')
    head = SCALEHead()
    head.bind(type('Model', (), dict(base=base)))
    maps = GIVEN.movedim(-1, 1)
    assert head.classifier(maps).shape[1] == 2 and torch.equal(head.classifier.class_weights()[0], torch.zeros(C))
    assert head(head.classifier(maps), maps).isfinite().all()


@pytest.mark.parametrize('size', [1, 3])
def test_weights_and_zero_are_those_of_constant_maps(size):
    base = DecodeHead()
    base.conv_seg = nn.Conv2d(C, K, size)
    layer = LinearClassifier(model_around(base).base, 'test')
    first, second = torch.randn(2, C, generator=torch.Generator().manual_seed(4))
    one, other, nothing = (layer(values.float()[None, :, None, None].expand(1, C, size, size)).flatten().detach()
                           for values in (first, second, layer.zero()))
    assert_close(one - other, layer.class_weights() @ (first - second))
    assert_close(nothing, torch.zeros(K), rtol=0, atol=1e-5)


def test_probabilities_that_do_not_sum_to_one_are_refused():
    base = HeadAsBase(DecodeHead())
    base.distribution = class_distribution('sigmoids')
    with pytest.raises(TypeError, match='PNMLHead reads a distribution'):
        PNMLHead(K).bind(type('Model', (), dict(base=base)))

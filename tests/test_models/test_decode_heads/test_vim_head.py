"""ViM is the formula of its paper, written down once more in NumPy and float64."""
import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax
from torch import nn

from mmseg_uncertainty.models.decode_heads import ViMHead
from mmseg_uncertainty.structures import GridOutputs
from tests.tiny import model_around

K, C, DIMENSIONS = 4, 7, 3


class DecodeHead(nn.Module):

    def __init__(self, bias=True):
        super().__init__()
        torch.manual_seed(0)
        self.conv_seg = nn.Conv2d(C, K, 1, bias=bias)
        if bias:
            nn.init.normal_(self.conv_seg.bias, std=2)


def images(seed, count=5, void=0.3):
    """Features (N, h, w, C) far from the origin, and labels with void."""
    generator = torch.Generator().manual_seed(seed)
    features = 1 + 2 * torch.randn(count, 6, 8, C, generator=generator) @ torch.randn(C, C, generator=generator)
    labels = torch.randint(K, (count, 6, 8), generator=generator)
    return features, labels.masked_fill(torch.rand(labels.shape, generator=generator) < void, 255)


def fitted(base, *batches, match='rms'):
    head = ViMHead(K, dimensions=DIMENSIONS, match=match)
    head.bind(model_around(base))
    for stage in range(head.stages):
        head.start_stage(stage)
        add(head, base, *batches, stage=stage)
    return head


def add(head, base, *batches, stage=0):
    for features, labels in batches:
        logits = base.conv_seg(features.movedim(-1, 1)).detach()
        head.add(features, labels, GridOutputs(logits), [{}] * len(labels))
    head.merge_ranks()
    head.finish_stage(stage)


def paper(base, batches, features, match='mean'):
    """Wang et al. 2022, Section 4; with the root mean square in place of the mean of the norms where asked for."""
    weight = base.conv_seg.weight.detach().double().numpy()[:, :, 0, 0]
    bias = np.zeros(K) if base.conv_seg.bias is None else base.conv_seg.bias.detach().double().numpy()
    origin = -np.linalg.pinv(weight) @ bias
    train = np.concatenate([given.double().numpy()[labels.numpy() != 255] for given, labels in batches])
    centred = train - origin
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    residual = vectors[:, np.argsort(values)[:C - DIMENSIONS]]
    norms = np.linalg.norm(centred @ residual, axis=1)
    largest = (train @ weight.T + bias).max(axis=1)
    alpha = largest.mean() / (norms.mean() if match == 'mean' else np.sqrt(np.mean(norms**2)))
    features = features.double().numpy()
    logits = features @ weight.T + bias
    virtual = alpha * np.linalg.norm((features - origin) @ residual, axis=-1)
    probability = softmax(np.concatenate([logits, virtual[..., None]], axis=-1), axis=-1)[..., -1]
    return virtual - logsumexp(logits, axis=-1), probability


@pytest.mark.parametrize('match', ['mean', 'rms'])
@pytest.mark.parametrize('bias', [True, False])
def test_scores_are_those_of_the_paper(bias, match):
    base, batches = DecodeHead(bias), [images(1), images(2)]
    features, _ = images(3)
    score, probability = paper(base, batches, features, match)
    maps = features.movedim(-1, 1)
    found = fitted(base, *batches, match=match)(base.conv_seg(maps).detach(), maps)
    np.testing.assert_allclose(found, score, rtol=1e-4, atol=1e-4 * np.abs(score).max())
    order = np.argsort(found.flatten().numpy())
    np.testing.assert_allclose(np.diff(probability.flatten()[order]).min(), 0, atol=1e-4)


def test_a_second_fit_forgets_the_first():
    base = DecodeHead()
    head = fitted(base, images(1))
    head.start_stage(0)
    add(head, base, images(2))
    for key, value in fitted(base, images(2)).state_dict().items():
        assert torch.equal(value, head.state_dict()[key]), key


def test_void_pixels_count_neither_in_the_subspace_nor_in_the_scale():
    base, (features, labels) = DecodeHead(), images(1)
    spoiled = torch.where((labels == 255)[..., None], 1e3 * torch.ones(C), features)
    for key, value in fitted(base, (features, labels)).state_dict().items():
        assert torch.equal(value, fitted(base, (spoiled, labels)).state_dict()[key]), key


def test_constant_maps_of_the_origin_have_zero_logits_whatever_the_window():
    base = DecodeHead()
    base.conv_seg = nn.Conv2d(C, K, 3)
    head = ViMHead(K, dimensions=DIMENSIONS)
    head.bind(model_around(base))
    origin = head.classifier.zero().float()
    np.testing.assert_allclose(base.conv_seg(origin.view(1, C, 1, 1).expand(1, C, 3, 3)).detach(), 0, atol=1e-5)

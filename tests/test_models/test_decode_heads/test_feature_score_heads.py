"""Heads fitted on features: batches do not matter, outliers score higher, state survives, misuse is named."""
from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from mmseg_uncertainty.functional.feature_distances import whitening
from mmseg_uncertainty.models.decode_heads import (FDBDHead, MahalanobisHead, NearestNeighborHead, NECOHead, PNMLHead,
                                                   ReActHead, ResidualHead, SCALEHead, ViMHead)
from mmseg_uncertainty.structures import FrozenOutputs
from tests.tiny import model_around

K, C = 3, 6
DISTANCES = [
    lambda: MahalanobisHead(K), lambda: MahalanobisHead(K, normalize=True), lambda: ViMHead(K, dimensions=3),
    lambda: ViMHead(K, dimensions=3, match='mean'), lambda: ResidualHead(K, dimensions=3),
    lambda: NearestNeighborHead(K, per_class=20)]
HEADS = DISTANCES + [
    lambda: MahalanobisHead(K, relative=True), lambda: FDBDHead(K), lambda: ReActHead(K, percentile=0.7), lambda: NECOHead(K),
    lambda: NECOHead(K, dimensions=3, max_logit=False), lambda: PNMLHead(K)]


class DecodeHead(nn.Module):
    """A decode head reduced to its classifier."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv_seg = nn.Conv2d(C, K, 1)


def calibration_set(images: int = 6):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(K + 1, (images, 8, 10), generator=generator)
    directions = torch.linalg.qr(torch.randn(C, K, generator=generator)).Q.T
    native = labels[:, 1::2, 1::2].clamp(max=K - 1)
    features = 3 * directions[native] + 0.3 * torch.randn(*native.shape, C, generator=generator)
    labels[labels == K] = 255
    return features.movedim(-1, 1), labels, [dict(img_path=f'{index}.png') for index in range(images)]


def fit(head, order: list[int], batch: int):
    features, labels, metas = calibration_set()
    base = DecodeHead()
    head.bind(model_around(base))
    for stage in range(head.stages):
        head.start_stage(stage)
        for start in range(0, len(order), batch):
            chosen = order[start:start + batch]
            outputs = FrozenOutputs(torch.zeros(1), base.conv_seg(features[chosen]).detach(), features[chosen])
            head.update(outputs, labels[chosen], [metas[index] for index in chosen])
        head.merge_ranks()
        head.finish_stage(stage)
    return head


@pytest.mark.parametrize('build', HEADS)
def test_order_and_batches_do_not_matter(build):
    features, _, _ = calibration_set()
    logits = DecodeHead().conv_seg(features).detach()
    one, other = fit(build(), [0, 1, 2, 3, 4, 5], 2), fit(build(), [4, 2, 0, 5, 1, 3], 3)
    assert_close(one(logits, features), other(logits, features))


@pytest.mark.parametrize('build', DISTANCES)
def test_features_off_the_calibration_set_score_higher(build):
    features, _, _ = calibration_set()
    head = fit(build(), list(range(6)), 2)
    strange = 3 * torch.randn(features.shape, generator=torch.Generator().manual_seed(3))
    constant = torch.zeros(len(features), K, *features.shape[2:])
    assert head(constant, strange).median() > head(constant, features).quantile(0.95)


@pytest.mark.parametrize('build', HEADS)
def test_the_fit_survives_saving(build):
    features, _, _ = calibration_set()
    logits = DecodeHead().conv_seg(features).detach()
    head, copy = fit(build(), list(range(6)), 2), build()
    with pytest.raises(RuntimeError, match='was not fitted'):
        copy.bind(model_around(DecodeHead()))
        copy(logits, features)
    state = head.state_dict()
    copy.load_state_dict(state)
    assert_close(copy(logits, features), head(logits, features))
    assert sum(values.numel() for values in state.values()) < 1000, 'what only the fit needs is not saved'


@pytest.mark.parametrize('build', HEADS)
def test_void_does_not_count(build):
    head = build()
    head.bind(model_around(DecodeHead()))
    features, labels, metas = calibration_set()
    logits = DecodeHead().conv_seg(features).detach()
    clean = fit(build(), list(range(6)), 6)
    spoiled = features.movedim(1, -1).clone()
    spoiled[labels[:, 1::2, 1::2] == 255] = 1e3
    for stage in range(head.stages):
        head.start_stage(stage)
        head.update(FrozenOutputs(logits, logits, spoiled.movedim(-1, 1)), labels, metas)
        head.merge_ranks()
        head.finish_stage(stage)
    assert_close(head(logits, features), clean(logits, features))


@pytest.mark.parametrize('build', HEADS)
def test_nothing_is_fitted_on_void_alone(build):
    head = build()
    head.bind(model_around(DecodeHead()))
    features, labels, metas = calibration_set()
    logits = DecodeHead().conv_seg(features).detach()
    head.start_stage(0)
    head.update(FrozenOutputs(logits, logits, features), torch.full_like(labels, 255), metas)
    head.merge_ranks()
    with pytest.raises(ValueError, match=f'{type(head).__name__}: .*label'):
        head.finish_stage(0)
    assert not head.fitted


def test_wrong_use_is_named():
    with pytest.raises(TypeError, match='features_from'):
        MahalanobisHead(K).bind(model_around(nn.Identity()))
    with pytest.raises(TypeError, match='ViMHead needs a base model whose classifier is a Conv2d'):
        ViMHead(K).bind(model_around(nn.Identity()))
    for head in (SCALEHead(), ReActHead(K), FDBDHead(K)):
        with pytest.raises(TypeError, match=f'{type(head).__name__} needs a base model whose classifier is a Conv2d'):
            head.bind(model_around(nn.Identity()))
    for options, message in ((dict(percentile=1.), 'ReActHead: percentile=1.0'), (dict(percentile=0.), 'percentile=0.0')):
        with pytest.raises(ValueError, match=message):
            ReActHead(K, **options)
    with pytest.raises(ValueError, match='SCALEHead: percentile=1.0'):
        SCALEHead(percentile=1.)
    for options in (dict(share=1.), dict(dimensions=0)):
        with pytest.raises(ValueError, match='NECOHead: share='):
            NECOHead(K, **options)
    with pytest.raises(ValueError, match='dimensions=9, and the features have 6'):
        NECOHead(K, dimensions=9).bind(model_around(DecodeHead()))
    with pytest.raises(ValueError, match="match='median'"):
        ViMHead(K, match='median')
    wide = DecodeHead()
    wide.conv_seg = nn.Conv2d(C, K, 3, padding=1)
    with pytest.raises(TypeError, match=r'FDBDHead .* reads \(3, 3\) of them'):
        FDBDHead(K).bind(model_around(wide))
    with pytest.raises(RuntimeError, match=r'SCALEHead has no classifier yet'):
        SCALEHead()(torch.zeros(1, K, 2, 2), torch.zeros(1, C, 2, 2))
    with pytest.raises(ValueError, match='dimensions=9'):
        ViMHead(K, dimensions=9).bind(model_around(DecodeHead()))
    with pytest.raises(ValueError, match='neighbor=5'):
        NearestNeighborHead(K, per_class=3)
    head = NearestNeighborHead(K)
    head.bind(model_around(DecodeHead()))
    with pytest.raises(ValueError, match='fewer than'):
        head.finish_stage(0)
    with pytest.raises(ValueError, match='yields none'):
        head.update(FrozenOutputs(torch.zeros(1), torch.zeros(1), None), torch.zeros(1, 2, 2), [{}])


def test_options_are_those_of_the_docs_by_default():
    head = fit(MahalanobisHead(K), list(range(6)), 6)
    assert_close(head.factor, whitening(head.streamed.moments().within_covariance(), 1e-3).float())
    assert head.streamed.count.shape == (K, ) and fit(NECOHead(K), [0, 1], 2).streamed.count.shape == (1, )
    residual = ResidualHead(K)
    residual.bind(model_around(DecodeHead()))
    assert residual.basis.shape == (C, C - 3)
    neighbours = NearestNeighborHead(K)
    neighbours.allocate(C)
    assert neighbours.bank.shape == (K, 256, C) and neighbours.neighbor == 5

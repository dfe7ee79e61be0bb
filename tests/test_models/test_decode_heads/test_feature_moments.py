"""Streamed moments are those of all features, in batches and in processes."""
import pytest
import torch
from torch.testing import assert_close

from mmseg_uncertainty.functional.feature_distances import FeatureMoments
from mmseg_uncertainty.models.decode_heads import feature_moments
from mmseg_uncertainty.models.decode_heads.feature_moments import StreamedFeatureMoments

K, C = 3, 4


def labelled(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return 1e4 + torch.randn(count, C, generator=generator), torch.randint(-1, K + 1, (count, ), generator=generator)


def streamed(*parts):
    moments = StreamedFeatureMoments(K, C)
    for features, labels in parts:
        moments.add(features, labels)
    return moments


def test_two_processes_and_many_batches_have_the_moments_of_all(monkeypatch):
    parts = [labelled(count, count) for count in (40, 1, 7, 100)]
    features, labels = (torch.cat(values) for values in zip(*parts))
    inside = (labels >= 0) & (labels < K)
    expected = FeatureMoments.of(features[inside], labels[inside], K)
    processes = [streamed(*parts[:2]), streamed(*parts[2:])]
    gathered = iter([[values.clone() for values in pair] for pair in zip(*(process.moments() for process in processes))])
    monkeypatch.setattr(feature_moments, 'all_gather', lambda values: next(gathered))
    processes[0].merge_ranks()
    for moments in (processes[0].moments(), streamed(*parts).moments()):
        for found, wanted in zip(moments, expected):
            assert_close(found, wanted, rtol=1e-9, atol=1e-9)


def test_broken_features_are_refused_where_they_are_labelled():
    features, labels = labelled(20, 0)
    features[labels == -1] = torch.nan
    streamed((features, labels))
    features[(labels == 1).nonzero()[0]] = torch.inf
    with pytest.raises(ValueError, match='NaN or infinite'):
        streamed((features, labels))


def test_sums_are_not_saved():
    assert not StreamedFeatureMoments(3, 4).state_dict()

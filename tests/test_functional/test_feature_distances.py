"""Feature distances agree with scikit-learn and do not depend on how features are grouped."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.covariance import EmpiricalCovariance
from sklearn.neighbors import NearestNeighbors
from torch.testing import assert_close

from mmseg_uncertainty.functional.feature_distances import (FeatureMoments, group_centres, grouped_neighbour_distance,
                                                            mahalanobis_distance, nearest_centre, nearest_neighbour_distance,
                                                            residual_basis, residual_norm, whitening)

K, C = 3, 5


def labelled_features(count: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(K, (count, ), generator=generator)
    mixing = torch.randn(C, C, generator=generator, dtype=torch.float64)
    centres = 4 * torch.randn(K, C, generator=generator, dtype=torch.float64)
    return centres[labels] + torch.randn(count, C, generator=generator, dtype=torch.float64) @ mixing, labels


def as_map(features: torch.Tensor) -> torch.Tensor:
    return features.T[None, :, :, None]


def test_mahalanobis_agrees_with_scikit_learn():
    features, labels = labelled_features()
    moments = FeatureMoments.of(features[:70], labels[:70], K + 1).merge(
        FeatureMoments.of(features[70:], labels[70:], K + 1))
    means = moments.class_means()
    centred = (features - means[labels]).numpy()
    reference = EmpiricalCovariance(assume_centered=True).fit(centred)
    np.testing.assert_allclose(moments.within_covariance(), reference.covariance_, rtol=1e-9)
    queries = torch.randn(20, C, dtype=torch.float64)
    expected = np.min([reference.mahalanobis((queries - mean).numpy()) for mean in means[:K]], axis=0)
    actual = mahalanobis_distance(as_map(queries), means, whitening(moments.within_covariance(), 0.0))
    np.testing.assert_allclose(actual.flatten(), expected, rtol=1e-8)


@pytest.mark.parametrize('mean, deviation', [(0., 1.), (1e5, 1e-2), (-1e6, 1e-3), (1e3, 1e-9)])
def test_whitening_holds_whatever_the_mean(mean, deviation):
    features, labels = labelled_features()
    noise = torch.randn(features.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    features = (mean + deviation * (features + noise)).double()
    parts = [FeatureMoments.of(features[part], labels[part], K) for part in (slice(0, 50), slice(50, 51), slice(51, None))]
    moments = parts[0].merge(parts[1]).merge(parts[2])
    means = torch.stack([features[labels == label].mean(dim=0) for label in range(K)])
    centred = features - means[labels]
    covariance = centred.T @ centred / len(features)
    tolerance = 1e-9 + 1e-14 * abs(mean) / deviation
    assert_close(moments.within_covariance() / deviation**2, covariance / deviation**2, rtol=tolerance, atol=tolerance)
    factor = whitening(moments.within_covariance(), 0.0)
    assert_close(factor.T @ covariance @ factor, torch.eye(C, dtype=torch.float64), rtol=1e-6, atol=1e-3)


def test_constant_features_are_whitened_by_the_shrinkage_alone():
    factor = whitening(torch.zeros(C, C, dtype=torch.float64), 0.25)
    assert_close(factor, 2 * torch.eye(C, dtype=torch.float64))


def test_moments_without_features_change_nothing():
    features, labels = labelled_features()
    moments, nothing = FeatureMoments.of(features, labels, K), FeatureMoments.of(features[:0], labels[:0], K)
    for merged in (moments.merge(nothing), nothing.merge(moments)):
        for mine, theirs in zip(merged, moments):
            assert_close(mine, theirs)


def test_second_moment_is_about_the_origin_given():
    features, labels = labelled_features()
    origin = torch.randn(C, dtype=torch.float64)
    shifted = features - origin
    moments = FeatureMoments.of(features, labels, K)
    assert_close(moments.second_moment(origin), shifted.T @ shifted / len(features))


def test_residual_is_what_the_principal_directions_leave():
    basis_of_data = torch.linalg.qr(torch.randn(C, 2, dtype=torch.float64)).Q
    features = torch.randn(50, 2, dtype=torch.float64) @ basis_of_data.T
    origin = torch.zeros(C, dtype=torch.float64)
    basis = residual_basis(features.T @ features, 2)
    assert basis.shape == (C, C - 2)
    assert residual_norm(as_map(features), origin, basis).max() < 1e-7
    outside = torch.randn(30, C, dtype=torch.float64)
    expected = (outside - outside @ basis_of_data @ basis_of_data.T).norm(dim=1)
    assert_close(residual_norm(as_map(outside), origin, basis).flatten(), expected)


def test_nearest_neighbours_agree_with_scikit_learn():
    generator = torch.Generator().manual_seed(1)
    bank = torch.nn.functional.normalize(torch.randn(40, C, generator=generator, dtype=torch.float64), dim=1)
    valid = torch.arange(40) < 30
    queries = torch.randn(25, C, generator=generator, dtype=torch.float64)
    unit = torch.nn.functional.normalize(queries, dim=1)
    reference = NearestNeighbors(n_neighbors=4).fit(bank[:30].numpy()).kneighbors(unit.numpy())[0][:, -1]
    np.testing.assert_allclose(nearest_neighbour_distance(as_map(queries), bank, valid, 4).flatten(), reference, atol=1e-7)


@pytest.mark.parametrize('normalize', [True, False])
def test_the_mean_over_neighbours_agrees_with_scikit_learn(normalize):
    generator = torch.Generator().manual_seed(3)
    bank, queries = (5 + 3 * torch.randn(count, C, generator=generator, dtype=torch.float64) for count in (40, 25))
    valid, unit = torch.arange(40) < 30, queries
    if normalize:
        bank, unit = (torch.nn.functional.normalize(values, dim=1) for values in (bank, queries))
    reference = NearestNeighbors(n_neighbors=4).fit(bank[:30].numpy()).kneighbors(unit.numpy())[0]
    for average, expected in ((True, reference.mean(axis=1)), (False, reference[:, -1])):
        found = nearest_neighbour_distance(as_map(queries), bank, valid, 4, normalize, average)
        np.testing.assert_allclose(found.flatten(), expected, atol=1e-7)


@pytest.mark.parametrize('distance', [0.5, 3e-3, 3e-4, 3e-5, 3e-6])
def test_small_distances_keep_their_digits(distance):
    """Ten entries at multiples of a small distance around the query, among many that are far."""
    generator = torch.Generator().manual_seed(2)
    query = torch.nn.functional.normalize(torch.randn(1, 64, generator=generator, dtype=torch.float64), dim=1)
    directions = torch.randn(10, 64, generator=generator, dtype=torch.float64)
    directions = torch.nn.functional.normalize(directions - (directions @ query.T) * query, dim=1)
    angles = 2 * torch.asin(distance * torch.arange(1, 11, dtype=torch.float64)[:, None] / 20).clamp(max=1.5)
    near = angles.cos() * query + angles.sin() * directions
    far = torch.nn.functional.normalize(torch.randn(300, 64, generator=generator, dtype=torch.float64), dim=1)
    bank = torch.cat([far, near])
    for neighbour in (1, 5):
        exact = torch.linalg.vector_norm(query - bank, dim=1).sort().values[neighbour - 1]
        found = nearest_neighbour_distance(as_map(query).float(), bank.float(), torch.ones(310, dtype=torch.bool), neighbour)
        assert abs(found.item() - exact.item()) < 1.5e-7 + 1e-6 * exact.item()


def test_an_entry_is_at_distance_zero_of_itself():
    bank = torch.nn.functional.normalize(torch.randn(50, 32, generator=torch.Generator().manual_seed(0)), dim=1)
    assert nearest_neighbour_distance(as_map(bank), bank, torch.ones(50, dtype=torch.bool), 1).max() < 2e-7
    few = torch.arange(50) < 3
    assert nearest_neighbour_distance(as_map(bank), bank, few, 3).isfinite().all()


def grouped(bank: torch.Tensor, groups: int) -> tuple[torch.Tensor, list[int], torch.Tensor]:
    """The bank in order of its groups, with room for ten more, ends, and centres."""
    centres = group_centres(bank, groups)
    group = nearest_centre(bank, centres)
    ends = [0, *torch.bincount(group, minlength=groups).cumsum(0).tolist()]
    return torch.cat([bank[group.argsort()], bank.new_zeros(10, bank.shape[1])]), ends, centres


@pytest.mark.parametrize('normalize', [True, False])
@pytest.mark.parametrize('average', [True, False])
def test_all_groups_hold_what_the_whole_bank_holds(normalize, average):
    generator = torch.Generator().manual_seed(6)
    bank, queries = (2 + torch.randn(count, C, generator=generator, dtype=torch.float64) for count in (300, 40))
    if normalize:
        bank = torch.nn.functional.normalize(bank, dim=1)
    expected = nearest_neighbour_distance(as_map(queries), bank, torch.ones(300, dtype=torch.bool), 4, normalize, average)
    found = grouped_neighbour_distance(as_map(queries), *grouped(bank, 12), 4, 12, normalize, average)
    assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_fewer_groups_are_never_nearer_and_near_ones_suffice():
    """Forty heaps: the neighbours of a feature lie in its own; four groups out of forty find nearly all of them."""
    generator = torch.Generator().manual_seed(7)
    heaps = 5 * torch.randn(40, 16, generator=generator)
    bank, queries = (heaps[torch.randint(40, (count, ), generator=generator)] + torch.randn(count, 16, generator=generator)
                     for count in (4000, 200))
    exact = nearest_neighbour_distance(as_map(queries), bank, torch.ones(4000, dtype=torch.bool), 5, normalize=False)
    errors = {}
    for probes in (1, 4, 40):
        found = grouped_neighbour_distance(as_map(queries), *grouped(bank, 40), 5, probes, normalize=False)
        assert (found >= exact - 1e-5).all()
        errors[probes] = float((found / exact - 1).mean())
    assert errors[40] < 1e-6 and errors[4] < 0.002 and errors[4] <= errors[1] < 0.2


def test_features_of_small_groups_are_searched_in_the_whole_bank():
    bank, centres = torch.tensor([[0.], [4.], [5.], [6.], [0.]]), torch.tensor([[0.], [5.]])
    found = grouped_neighbour_distance(as_map(torch.tensor([[1.], [5.]])), bank, [0, 1, 4], centres, 3, 1, normalize=False)
    assert_close(found.flatten(), torch.tensor([4., 1.]))


def test_centres_are_means_of_their_own_entries():
    entries = torch.randn(500, 3, generator=torch.Generator().manual_seed(8))
    centres = group_centres(entries, 6, iterations=100)
    group = nearest_centre(entries, centres)
    assert_close(centres, torch.stack([entries[group == index].mean(dim=0) for index in range(6)]), rtol=1e-4, atol=1e-5)
    apart = torch.cdist(entries, centres)
    assert (apart.gather(1, group[:, None])[:, 0] <= apart.amin(dim=1) + 1e-5).all()

"""Feature distances agree with scikit-learn and do not depend on how features are grouped."""
from __future__ import annotations

import numpy as np
import torch
from sklearn.covariance import EmpiricalCovariance
from sklearn.neighbors import NearestNeighbors
from torch.testing import assert_close

from mmseg_uncertainty.functional.feature_distances import (FeatureMoments, mahalanobis_distance,
                                                            nearest_neighbour_distance, residual_basis, residual_norm,
                                                            whitening)

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

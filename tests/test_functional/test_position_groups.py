from inspect import signature

import numpy as np
import pytest
import scipy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from mmseg_uncertainty.functional import fourier_curves
from mmseg_uncertainty.functional.position_groups import curve_features, kmeans_map, learned_map, zone_map

SIZE = (24, 30)


def ring_features(centre=(3.0, -2.0), radii=(5.0, 11.0), noise=0.02, seed=0):
    rows, columns = np.indices(SIZE)
    distance = np.hypot(columns - SIZE[1] // 2 - centre[0], SIZE[0] // 2 - rows - centre[1])
    ring = np.searchsorted(radii, distance, side='right')
    generator = np.random.default_rng(seed)
    return ring, ring[..., None] * 0.3 + noise * generator.standard_normal((*SIZE, 4))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 24), st.integers(1, 30))
def test_zones_are_all_used_and_nearly_of_one_size(rows, columns):
    zones = zone_map(SIZE, rows, columns)
    counts = np.bincount(zones.ravel(), minlength=rows * columns)
    assert len(counts) == rows * columns
    assert counts.min() >= (SIZE[0] // rows) * (SIZE[1] // columns)
    assert counts.max() <= -(-SIZE[0] // rows) * -(-SIZE[1] // columns)


def test_more_zones_than_pixels_are_refused():
    with pytest.raises(ValueError, match='do not fit'):
        zone_map(SIZE, 25, 1)


def test_kmeans_is_as_tight_as_that_of_scikit_learn():
    features = np.random.default_rng(1).random((*SIZE, 2)) * [3, 1]
    points, groups = features.reshape(-1, 2), kmeans_map(features, 4).ravel()
    inertia = sum(((points[groups == group] - points[groups == group].mean(0))**2).sum() for group in range(4))
    reference = KMeans(4, n_init=10, random_state=0).fit(points).inertia_
    assert inertia <= 1.02 * reference
    np.testing.assert_array_equal(kmeans_map(features, 4), groups.reshape(SIZE))


@pytest.mark.parametrize('grouping', ['kmeans', 'annuli', 'fourier'])
def test_planted_rings_are_found(grouping):
    ring, features = ring_features()
    groups = learned_map(grouping, features, 3)
    agreement = max(np.mean(groups == np.array(names)[ring]) for names in ([0, 1, 2], [2, 1, 0]))
    assert agreement > 0.9


def test_fourier_curves_follow_an_ellipse_better_than_circles():
    rows, columns = np.indices(SIZE)
    inside = (np.hypot((columns - 15) / 11, (rows - 12) / 5) < 1).astype(int)
    features = inside[..., None] + 0.05 * np.random.default_rng(2).standard_normal((*SIZE, 2))
    errors = {grouping: np.mean(learned_map(grouping, features, 2) == inside) for grouping in ('annuli', 'fourier')}
    assert errors['fourier'] < errors['annuli'] and errors['fourier'] < 0.05


def test_an_unknown_grouping_is_named():
    with pytest.raises(ValueError, match="grouping='zones' is not learned"):
        learned_map('zones', ring_features()[1], 3)


def test_features_of_many_scores_are_quantiles_and_of_none_those_of_all():
    histogram = np.zeros((1, 2, 100), dtype=np.int64)
    histogram[0, 0] = 1000
    features = curve_features(histogram, np.array([0.25, 0.9]), prior=1.0)
    np.testing.assert_allclose(features, [[[0.25, 0.9], [0.25, 0.9]]], atol=0.011)


def test_no_gradient_is_asked_for_at_the_very_centre(monkeypatch):
    """Where it is NaN in torch 2.4, and every pixel then falls into one group."""
    atan2 = torch.atan2

    def strict(y, x):
        assert not ((x == 0) & (y == 0)).any()
        return atan2(y, x)

    monkeypatch.setattr(torch, 'atan2', strict)
    size, curves = (9, 9), torch.zeros(1, 5, dtype=torch.float64)
    centre = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    fourier_curves._soft_groups(size, curves, centre, 0.5)[:, 0].sum().backward()
    assert centre.grad.isfinite().all()


def test_curves_that_diverge_are_refused(monkeypatch):
    monkeypatch.setattr(fourier_curves, '_within_variance', lambda points, memberships: memberships.sum() * float('nan'))
    with pytest.raises(FloatingPointError, match='one group'):
        learned_map('fourier', np.random.default_rng(0).random((8, 8, 2)), 2)


@pytest.mark.parametrize('name', ['rng', 'seed'])
def test_kmeans_is_seeded_by_the_name_that_scipy_has_for_it(monkeypatch, name):
    features, told = np.random.default_rng(0).random((6, 7, 2)), []
    expected, kmeans2 = kmeans_map(features, 3), scipy.cluster.vq.kmeans2
    own = 'rng' if 'rng' in signature(kmeans2).parameters else 'seed'

    def of_new_scipy(points, groups, minit, *, rng):
        told.append('rng')
        return kmeans2(points, groups, minit=minit, **{own: rng})

    def of_old_scipy(points, groups, minit, *, seed):
        told.append('seed')
        return kmeans2(points, groups, minit=minit, **{own: seed})

    monkeypatch.setattr(scipy.cluster.vq, 'kmeans2', of_new_scipy if name == 'rng' else of_old_scipy)
    assert np.array_equal(kmeans_map(features, 3), expected) and told[0] == name


def test_a_level_that_a_bin_meets_exactly_is_reached_in_it():
    features = curve_features(np.array([[[2, 2, 0, 4]]]), np.array([0.25, 0.5, 1.0]), prior=1.0)
    np.testing.assert_array_equal(features, [[[0.25, 0.5, 1.0]]])

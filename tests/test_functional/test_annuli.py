from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmseg_uncertainty.functional.annuli import best_annuli, polar_coordinates, published_objective, search_annuli


def random_features(seed, size=(5, 6)):
    return np.random.default_rng(seed).random((*size, 2))


def pair_objective(features, centre, radii, power):
    distance = polar_coordinates(features.shape[:2], centre)[0]
    rings = np.searchsorted(radii, distance, side='right')
    total = 0.0
    for ring in np.unique(rings):
        members = features[rings == ring]
        total += (np.linalg.norm(members[:, None] - members[None], axis=-1)**power).sum()
    return total / distance.size


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([True, False]), st.sampled_from([(0.0, 0.0), (0.7, -1.2)]))
def test_the_radii_are_the_best_of_all(seed, squared, centre):
    features = random_features(seed)
    radii, objective = best_annuli(features, centre, 3, squared)
    power = 2 if squared else 1
    distances = np.unique(polar_coordinates(features.shape[:2], centre)[0])[1:]
    exhaustive = min(pair_objective(features, centre, pair, power) for pair in combinations(distances, 2))
    assert objective == pytest.approx(exhaustive, rel=1e-9, abs=1e-9)
    assert pair_objective(features, centre, radii, power) == pytest.approx(objective, rel=1e-9, abs=1e-9)


def test_plain_distances_are_the_published_objective():
    features = random_features(3, (9, 11))
    radii, objective = best_annuli(features, (1.0, 0.5), 4, squared=False)
    assert published_objective(features, np.array([1.0, 0.5, *radii]))[0] == pytest.approx(objective, rel=1e-9)
    generator = np.random.default_rng(0)
    for _ in range(20):
        theta = np.concatenate([[1.0, 0.5], np.sort(generator.uniform(0, 8, 3))])
        assert published_objective(features, theta)[0] >= objective - 1e-9


def test_fewer_radii_tried_cost_little():
    features = random_features(4, (20, 20)).cumsum(axis=0)
    exact, coarse = (best_annuli(features, (0.0, 0.0), 3, max_radii=limit)[1] for limit in (None, 40))
    assert exact <= coarse <= 1.05 * exact


def test_a_search_is_never_worse_than_the_middle():
    features = random_features(5, (12, 15)).cumsum(axis=1)
    centre, radii = search_annuli(features, 3)
    assert pair_objective(features, centre, radii, 2) <= best_annuli(features, (0.0, 0.0), 3)[1] + 1e-9


def test_coordinates_point_right_and_up():
    distance, angle = polar_coordinates((5, 7), (0.0, 0.0))
    assert distance[2, 3] == 0 and angle[2, 6] == 0 and angle[0, 3] == pytest.approx(np.pi / 2)


def test_more_rings_than_distances_are_refused():
    with pytest.raises(ValueError, match='rings need as many'):
        best_annuli(np.zeros((1, 2, 1)), (0.0, 0.0), 3)

"""Centres cover: no choice is more than twice as far from what it leaves than the best one."""
from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from mmseg_uncertainty.functional.k_center import k_center


def radius(points, centres):
    return cdist(points, points[list(centres)]).min(axis=1).max()


@pytest.mark.parametrize('seed', range(5))
def test_the_radius_is_at_most_twice_the_least(seed):
    points = np.random.default_rng(seed).normal(size=(14, 3))
    least = min(radius(points, centres) for centres in combinations(range(14), 4))
    assert least <= radius(points, k_center(points, 4, first=seed)) <= 2 * least


def test_no_point_is_chosen_twice_and_copies_come_last():
    chosen = k_center(np.array([[1.0], [1.0], [4.0], [1.0], [2.0]]), count=9).tolist()
    assert chosen == [0, 2, 4, 1, 3]


def test_what_cannot_be_covered_is_refused():
    assert k_center(np.zeros((0, 3)), 2).tolist() == []
    with pytest.raises(ValueError, match='count=0'):
        k_center(np.zeros((3, 3)), 0)

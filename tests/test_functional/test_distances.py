"""Distances against brute force."""
import numpy as np
import pytest

from mmseg_uncertainty.functional.distances import ground_distance, object_distances, stereo_distance


def test_objects_are_as_far_as_the_nearest_tenth_of_their_pixels():
    random = np.random.default_rng(0)
    components, distances = random.integers(0, 6, (30, 40)), random.uniform(1, 90, (30, 40))
    distances[random.random((30, 40)) < .2] = np.nan
    components[components == 3] = 0
    distances[components == 5] = np.inf
    found = object_distances(components, 5, distances)
    for index in (1, 2, 4):
        known = np.sort(distances[(components == index) & np.isfinite(distances)])
        assert found[index - 1] == known[len(known) // 10] and known[0] < found[index - 1] < known[len(known) // 5]
    assert np.isinf(found[[2, 4]]).all(), 'no pixel, and none of known distance'
    assert object_distances(np.zeros((2, 2), int), 0, np.ones((2, 2))).shape == (0, )


def test_a_flat_ground_is_seen_where_a_camera_projects_it():
    focal, height, horizon = 800., 1.4, 100.
    with np.errstate(all='raise'):
        found = ground_distance((400, 3), horizon, focal, height)
    for distance in (5., 20., 60.):
        row = horizon + focal * height / distance
        around = found[[int(np.floor(row)), int(np.ceil(row))], 0]
        assert around.min() - 1e-9 <= distance <= around.max() + 1e-9
    assert np.isinf(found[:101]).all() and (np.diff(found[101:, 0]) < 0).all() and (found[:, 0] == found[:, 2]).all()


@pytest.mark.parametrize('disparity', [1., 13.5, 120.])
def test_points_of_a_stereo_pair_are_where_they_were(disparity):
    assert stereo_distance(np.array([[disparity]]), 2262.5, 0.21).item() == pytest.approx(2262.5 * 0.21 / disparity)
    assert np.isinf(stereo_distance(np.array([0., -1.]), 1., 1.)).all()

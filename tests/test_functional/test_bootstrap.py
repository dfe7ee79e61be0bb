"""Resampling of scenes and images, against plain draws in NumPy and against the coverage that an interval promises."""
import numpy as np
import pytest

from mmseg_uncertainty.functional.bootstrap import (completed, percentile_interval, resample_clusters,
                                                    resample_two_samples)


def test_images_of_a_cluster_occur_equally_often_and_clusters_as_often_as_drawn():
    clusters = np.array(['b', 'a', 'b', 'c', 'a', 'b'])
    weights = resample_clusters(clusters, 400, seed=3)
    assert weights.shape == (400, 6) and weights.dtype == np.int64
    for name in 'abc':
        assert (weights[:, clusters == name] == weights[:, clusters == name][:, :1]).all()
    per_cluster = weights[:, [1, 0, 3]]
    assert (per_cluster.sum(1) == 3).all()
    assert np.abs(per_cluster.mean(0) - 1).max() < .12
    assert np.abs(per_cluster.var(0) - 2 / 3).max() < .15


def test_single_images_are_drawn_as_a_multinomial():
    drawn = resample_clusters(range(7), 50, seed=5)
    np.testing.assert_array_equal(drawn, np.random.default_rng(5).multinomial(7, np.full(7, 1 / 7), size=50))


def test_two_samples_are_drawn_apart_unless_they_share_a_cluster():
    first, second = resample_two_samples(['a', 'b', 'c', 'd'], ['x', 'y', 'z', 'w'], 3000, seed=0)
    assert (first.sum(1) == 4).all() and (second.sum(1) == 4).all()
    assert abs(np.corrcoef(first[:, 0], second[:, 0])[0, 1]) < .06
    first, second = resample_two_samples(['a', 'b', 's', 't'], ['s', 'y', 't', 'z', 's'], 300, seed=0)
    np.testing.assert_array_equal(first[:, 2], second[:, 0])
    np.testing.assert_array_equal(second[:, 0], second[:, 4])
    np.testing.assert_array_equal(first[:, 3], second[:, 2])
    assert (first[:, 2:].sum(1) == 2).all() and (first[:, :2].sum(1) == 2).all() and (second[:, [1, 3]].sum(1) == 2).all()


def test_undefined_classes_take_the_value_of_the_whole():
    values, whole = np.array([[.1, np.nan, np.nan], [.3, .4, .5]]), np.array([.2, .6, np.nan])
    np.testing.assert_array_equal(completed(values, whole), [[.1, .6, np.nan], [.3, .4, np.nan]])


def test_the_interval_is_that_of_the_percentiles():
    values = np.r_[np.arange(1001.), np.nan]
    assert percentile_interval(values) == pytest.approx((25, 975))
    assert percentile_interval(values, .5) == pytest.approx((250, 750))
    assert np.isnan(percentile_interval(np.array([np.nan]))).all()


@pytest.mark.parametrize('known, least, most', [(True, .85, 1.), (False, 0., .7)])
def test_scenes_keep_the_promise_that_their_frames_break(known, least, most):
    random, hits = np.random.default_rng(1), 0
    for _ in range(200):
        frames = np.repeat(random.normal(size=15), 12) + .3 * random.normal(size=180)
        weights = resample_clusters(np.arange(180) // (12 if known else 1), 200, seed=0)
        low, high = percentile_interval(weights @ frames / weights.sum(1))
        hits += low <= 0 <= high
    assert least <= hits / 200 <= most

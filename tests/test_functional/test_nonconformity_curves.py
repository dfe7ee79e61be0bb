import numpy as np
import pytest
import torch

from mmseg_uncertainty.functional.conformity_histogram import bin_lower_edges, conformity_histogram
from mmseg_uncertainty.functional.nonconformity_curves import (ALL_CLASSES, CLASS_SCORES, OWN_SCORES, group_curves,
                                                               group_thresholds, half_precision_quantiles,
                                                               nonconformity_scores, pixel_curves, rank_thresholds,
                                                               threshold_conformity)


def random_scores(seed, size=(25, 2, 3, 4), left_out=0.3):
    generator = np.random.default_rng(seed)
    return nonconformity_scores(generator.random(size), generator.random(size) > left_out)


def test_curves_agree_with_numpy():
    scores = random_scores(0)
    levels = np.linspace(0, 1, 13)
    np.testing.assert_allclose(pixel_curves(scores, levels), np.nanquantile(scores, levels, axis=0), atol=1e-6)
    groups = np.arange(12).reshape(3, 4) % 5
    curves = group_curves(scores, groups, levels)
    for group in range(5):
        pooled = scores[:, :, groups == group]
        np.testing.assert_allclose(curves[:, :, group], np.nanquantile(pooled, levels, axis=(0, 2)), atol=1e-6)


def test_one_group_per_pixel_gives_pixel_curves():
    scores = random_scores(1)
    groups = np.arange(12).reshape(3, 4)
    np.testing.assert_allclose(group_curves(scores, groups)[..., groups], pixel_curves(scores), atol=1e-6)


def test_a_pixel_without_scores_has_no_curve():
    scores = random_scores(2)
    scores[:, 0, 1, 2] = np.nan
    assert np.isnan(pixel_curves(scores)[:, 0, 1, 2]).all()
    assert np.isnan(pixel_curves(scores)).sum() == 100


@pytest.mark.parametrize('count', [9, 10, 20, 57])
def test_ranked_thresholds_cover_a_further_score(count):
    generator = np.random.default_rng(count)
    scores = generator.random((4000, count + 1))
    covered = np.mean([row[-1] <= rank_thresholds(row[:-1], 0.1) for row in scores])
    error = 0.3 / np.sqrt(4000)
    assert 0.9 - 2.5 * error <= covered <= 0.9 + 1 / (count + 1) + 2.5 * error


def test_published_curves_miss_the_level_of_few_scores():
    generator = np.random.default_rng(4)
    scores = generator.random((2000, 6))
    curve = np.quantile(scores[:, :5], 90 / 99, axis=1)
    assert np.mean(scores[:, 5] <= curve) < 0.85


def test_too_few_scores_cover_everything():
    assert rank_thresholds(np.array([0.1, np.nan, 0.2]), 0.1) == np.inf


def test_thresholds_fall_back_from_group_to_class_to_all():
    conformity = torch.rand(300, generator=torch.Generator().manual_seed(5))
    histogram = np.zeros((2, 3, 32 * 2**6 + 2), dtype=np.int64)
    histogram[0, 0] = conformity_histogram(conformity, torch.zeros(300, dtype=torch.long), 1, 6)[0]
    histogram[1, 0, 5] = 2
    thresholds, source = group_thresholds(histogram, 0.1)
    np.testing.assert_array_equal(source, [[OWN_SCORES, ALL_CLASSES, ALL_CLASSES],
                                           [CLASS_SCORES, ALL_CLASSES, ALL_CLASSES]])
    assert thresholds[0, 0] == pytest.approx(0.1, abs=0.04) and thresholds[1, 0] == pytest.approx(0.1, abs=0.04)
    assert (thresholds[:, 1:] == 0).all()


def test_the_scores_of_a_class_are_those_of_all_groups():
    """Neither group has enough of its own; both together have."""
    histogram = np.zeros((2, 1, 32 * 2**6 + 2), dtype=np.int64)
    histogram[0, 0, 100] = 4
    histogram[1, 0, 700] = 5
    thresholds, source = group_thresholds(histogram, 0.1)
    np.testing.assert_array_equal(source, [[CLASS_SCORES]] * 2)
    assert (thresholds == bin_lower_edges(6)[700]).all()
    assert (group_thresholds(histogram[::-1], 0.1)[0] == thresholds).all()


def test_one_half_recovers_the_thresholds():
    probabilities = torch.rand(200, dtype=torch.float64)
    thresholds = torch.rand(200, dtype=torch.float64)
    thresholds[::10] = 0
    probabilities[::20] = 0
    conformity = threshold_conformity(probabilities, thresholds)
    assert torch.equal(conformity >= 0.5, probabilities >= thresholds)
    assert conformity.min() >= 0 and conformity.max() <= 1


@pytest.mark.parametrize('count', [1, 2, 7, 5000])
def test_quantiles_of_counted_half_precision_numbers_agree_with_numpy(count):
    scores = np.random.default_rng(count).random(count).astype(np.float16)
    levels = np.linspace(0, 1, 100)
    expected = np.quantile(scores.astype(np.float64), levels)
    np.testing.assert_allclose(half_precision_quantiles(scores, levels), expected, atol=1e-12)
    assert np.isnan(half_precision_quantiles(scores[:0], levels)).all()

"""Open-set scores against direct counting, and their limits."""
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmseg_uncertainty.functional import device_counts
from mmseg_uncertainty.functional.open_set import (open_set_curve, open_set_limits, open_set_scores, outcome_groups,
                                                   published_areas, threshold_bin)
from mmseg_uncertainty.functional.score_histogram import ScoreHistogram

CLASSES = 4


def pixels(seed=0, size=3000):
    random = np.random.default_rng(seed)
    labels = random.choice([*range(CLASSES - 1), 255], size=size)
    predictions = np.where(random.random(size) < .7, labels, random.integers(0, CLASSES, size)) % CLASSES
    scores = random.normal(size=size).astype(np.float32) + (predictions != labels)
    return scores, predictions, labels


def groups_of(predictions, labels, void):
    return outcome_groups(torch.from_numpy(predictions), torch.from_numpy(labels), CLASSES, void).numpy()


def curve(scores, predictions, labels, void):
    histogram = ScoreHistogram(3 * CLASSES, 12)
    histogram.update(scores, groups_of(predictions, labels, void))
    present = np.bincount(labels[labels < CLASSES], minlength=CLASSES)
    counts, thresholds = histogram.descending()
    return open_set_curve(counts, present), thresholds, counts


def direct_iou(rejected, predictions, labels, void):
    truth = np.where(labels == 255, CLASSES, labels)
    claim = np.where(rejected, CLASSES, predictions)
    seen = np.ones(labels.size, bool) if void == 'unknown' else labels != 255
    values = []
    for index in range(CLASSES + 1):
        both = ((truth == index) & (claim == index) & seen).sum()
        either = (((truth == index) | (claim == index)) & seen).sum()
        values.append(both / either if either else np.nan)
    return values


@pytest.mark.parametrize('void', ['ignore', 'unknown'])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), position=st.floats(0, 1))
def test_every_threshold_is_direct_counting(void, seed, position):
    scores, predictions, labels = pixels(seed, 400)
    result, thresholds, _ = curve(scores, predictions, labels, void)
    index = int(position * (thresholds.size - 1))
    expected = direct_iou(scores >= thresholds[index], predictions, labels, void)
    np.testing.assert_allclose(result.iou[index], expected, atol=1e-12)
    seen = np.ones(labels.size, bool) if void == 'unknown' else labels != 255
    assert result.kept[index] == pytest.approx((scores < thresholds[index])[seen].mean())


def test_rejecting_nothing_is_the_closed_set_iou():
    _, predictions, labels = pixels()
    total = np.bincount(groups_of(predictions, labels, 'ignore')[labels != 255], minlength=3 * CLASSES)
    present = np.bincount(labels[labels < CLASSES], minlength=CLASSES)
    result = open_set_scores(np.zeros((3, CLASSES)), total.reshape(3, CLASSES), present)
    expected = direct_iou(np.zeros(labels.size, bool), predictions, labels, 'ignore')
    np.testing.assert_allclose(result.iou, expected)
    assert result.kept == 1


def test_rejecting_by_mistake_costs_recall_whereas_the_published_areas_forget_missed_pixels():
    _, predictions, labels = pixels()
    right = predictions == labels
    total = np.stack([np.bincount(predictions[part], minlength=CLASSES) for part in (right, ~right)])
    areas = published_areas(np.stack([0 * total[0], total[1]]), total)
    np.testing.assert_array_equal(areas['intersect'], areas['union'])
    present = np.bincount(labels[labels < CLASSES], minlength=CLASSES)
    groups = groups_of(predictions, labels, 'ignore')
    counts = np.bincount(groups[groups >= 0], minlength=3 * CLASSES).reshape(3, CLASSES)
    result = open_set_scores(counts * np.array([0, 1, 1])[:, None], counts, present)
    assert (result.iou[:CLASSES - 1] < 1).all()


def test_threshold_separates_a_perfect_score():
    _, predictions, labels = pixels()
    scores = (predictions != labels).astype(np.float32)
    _, thresholds, counts = curve(scores, predictions, labels, 'unknown')
    right = counts[:CLASSES].sum(0)
    for criterion in ('best_f1', 'tpr95'):
        assert thresholds[threshold_bin(counts.sum(0) - right, right, criterion)] == 1


def test_a_rate_that_is_met_exactly_is_reached():
    assert threshold_bin(np.int64([19, 1]), np.int64([5, 5]), 'tpr95') == 0
    assert threshold_bin(np.int64([18, 2]), np.int64([5, 5]), 'tpr95') == 1


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_limits_hold_whatever_is_rejected_between_them(seed):
    random = np.random.default_rng(seed)
    total, labels = random.integers(0, 9, (3, CLASSES)), random.integers(30, 60, CLASSES)
    ends = np.sort(random.integers(0, total + 1, (2, 3, CLASSES)), axis=0)
    low, high = open_set_limits(*ends, total, labels)
    corners = [random.integers(0, 2, total.shape) for _ in range(40)]
    known, unknown = np.zeros(total.shape, int), np.zeros(total.shape, int)
    known[1:], unknown[2] = 1, 1
    for corner in (known, 1 - known, unknown, 1 - unknown, *corners):
        scores = open_set_scores(np.where(corner, ends[1], ends[0]), total, labels)
        for name in ('iou', 'accuracy', 'kept'):
            assert (getattr(low, name) <= getattr(scores, name) + 1e-12)[~np.isnan(getattr(scores, name))].all()
            assert (getattr(scores, name) <= getattr(high, name) + 1e-12)[~np.isnan(getattr(scores, name))].all()
        for corner_of, limit in ((known, high), (1 - known, low)):
            if corner is corner_of:
                np.testing.assert_allclose(scores.iou[:-1], limit.iou[:-1])


@pytest.mark.parametrize('void', ['ignore', 'unknown'])
def test_a_device_finds_the_same_groups(void, monkeypatch):
    _, predictions, labels = pixels(3)
    expected = groups_of(predictions, labels, void)
    monkeypatch.setattr(device_counts, 'on_host', lambda values: False)
    np.testing.assert_array_equal(groups_of(predictions, labels, void), expected)

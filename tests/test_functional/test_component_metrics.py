"""Component metrics on masks whose values can be counted by hand."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from mmseg_uncertainty.functional.component_metrics import (component_counts, component_overlaps, connected_components,
                                                            mean_component_f1)

MASKS = arrays(bool, (9, 11))


def boxes(*corners, shape=(20, 30)):
    mask = np.zeros(shape, bool)
    for top, left, height, width in corners:
        mask[top:top + height, left:left + width] = True
    return mask


def brute(truth, prediction):
    true, count = connected_components(truth)
    predicted, guesses = connected_components(prediction)
    adjusted = []
    for index in range(1, count + 1):
        component = true == index
        union = np.isin(predicted, np.setdiff1d(predicted[component], 0))
        others = truth & ~component
        adjusted.append((component & union).sum() / ((component | union) & ~others).sum())
    return adjusted, [truth[predicted == index].mean() for index in range(1, guesses + 1)]


@settings(max_examples=50, deadline=None)
@given(MASKS, MASKS)
def test_overlaps_follow_their_definitions(truth, prediction):
    overlaps, (adjusted, precision) = component_overlaps(truth, prediction), brute(truth, prediction)
    np.testing.assert_allclose(overlaps.adjusted_iou, adjusted)
    np.testing.assert_allclose(overlaps.precision, precision)


def test_one_prediction_over_two_objects_is_not_punished_for_the_other_object():
    truth = boxes((2, 2, 4, 5), (2, 12, 4, 5))
    overlaps = component_overlaps(truth, boxes((2, 2, 4, 15)))
    np.testing.assert_allclose(overlaps.adjusted_iou, [20 / 40, 20 / 40])
    np.testing.assert_allclose(overlaps.precision, [40 / 60])


def test_diagonal_neighbours_are_connected_and_small_components_dropped():
    mask = np.eye(5, dtype=bool)
    assert connected_components(mask)[1] == 1
    assert connected_components(mask | boxes((0, 4, 1, 1), shape=(5, 5)), smallest=2)[1] == 1
    assert connected_components(mask, smallest=6) [1] == 0


def test_a_perfect_mask_scores_one_and_an_empty_one_zero():
    truth = boxes((1, 1, 3, 3), (10, 10, 5, 5))
    assert mean_component_f1(component_counts(component_overlaps(truth, truth))) == 1
    empty = np.zeros_like(truth)
    assert mean_component_f1(component_counts(component_overlaps(truth, empty))) == 0
    assert mean_component_f1(component_counts(component_overlaps(empty, truth))) == 0
    assert np.isnan(mean_component_f1(component_counts(component_overlaps(empty, empty))))


@settings(max_examples=25, deadline=None)
@given(MASKS, MASKS, MASKS)
def test_ignored_pixels_change_nothing(truth, prediction, ignored):
    plain = component_overlaps(truth & ~ignored, prediction & ~ignored)
    dirty = component_overlaps(truth | ignored, prediction | ignored, ignored)
    np.testing.assert_array_equal(plain.adjusted_iou, dirty.adjusted_iou)
    np.testing.assert_array_equal(plain.precision, dirty.precision)


def test_f1_averages_over_levels_and_keeps_leading_dimensions():
    truth, prediction = boxes((0, 0, 4, 5)), boxes((0, 0, 4, 3), (10, 10, 2, 2))
    counts = component_counts(component_overlaps(truth, prediction))
    found = (.6 >= np.arange(25, 80, 5) / 100).sum()
    expected = (found * 2 / 3) / 11
    assert mean_component_f1(counts) == pytest.approx(expected)
    np.testing.assert_allclose(mean_component_f1(np.stack([counts, 5 * counts])), expected)


def test_small_true_objects_become_void():
    truth, small = boxes((2, 2, 5, 5), (12, 12, 2, 2)), boxes((12, 12, 2, 2))
    rest = truth & ~small
    for prediction in (truth, rest, small, truth | boxes((11, 11, 6, 4))):
        void = component_overlaps(truth, prediction, small, smallest_prediction=3)
        dropped = component_overlaps(truth, prediction, smallest_truth=5, smallest_prediction=3)
        np.testing.assert_array_equal(dropped.adjusted_iou, void.adjusted_iou)
        np.testing.assert_array_equal(dropped.precision, void.precision)
    assert component_overlaps(truth, truth, smallest_truth=4).adjusted_iou.size == 2
    assert component_overlaps(truth, truth, smallest_truth=5).adjusted_iou.tolist() == [1]


def test_components_of_exactly_the_least_size_count():
    truth, prediction = boxes((2, 2, 2, 5)), boxes((2, 2, 2, 5), (10, 10, 2, 4))
    kept = component_overlaps(truth, prediction, smallest_truth=10, smallest_prediction=8)
    assert (kept.adjusted_iou.size, kept.precision.size) == (1, 2)
    dropped = component_overlaps(truth, prediction, smallest_truth=11, smallest_prediction=9)
    assert (dropped.adjusted_iou.size, dropped.precision.size) == (0, 0)


@pytest.mark.parametrize('level, found, false', [(.5, 1, 0), (np.nextafter(.5, 1), 0, 1)])
def test_an_overlap_of_exactly_the_level_counts(level, found, false):
    truth, prediction = boxes((0, 0, 2, 4)), boxes((0, 2, 2, 2))
    counts = component_counts(component_overlaps(truth, prediction), np.array([level]))
    assert counts[:2, 0].tolist() == [found, 1 - found]
    half = component_counts(component_overlaps(prediction, truth), np.array([level]))
    assert half[2, 0] == false


def test_shapes_must_agree():
    with pytest.raises(ValueError, match='must agree'):
        component_overlaps(np.zeros((2, 3), bool), np.zeros((3, 2), bool))

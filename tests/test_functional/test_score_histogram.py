"""Laws of the streaming histogram."""
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmseg_uncertainty.functional import device_counts
from mmseg_uncertainty.functional.score_histogram import (NonFiniteScoreError, ScoreHistogram, SpilledScores,
                                                          bin_floors, score_keys)

SCORES = arrays(np.float32, st.integers(1, 60), elements=st.floats(-2.**100, 2.**100, width=32))


def pixels(seed=0, size=4000, groups=3):
    random = np.random.default_rng(seed)
    return random.normal(size=size).astype(np.float32), random.integers(0, groups, size).astype(np.uint8)


@settings(max_examples=50, deadline=None)
@given(SCORES, st.integers(10, 24))
def test_keys_order_like_scores(scores, bits):
    keys = score_keys(np.sort(scores), bits)
    assert (np.diff(keys.astype(np.int64)) >= 0).all()
    assert (bin_floors(bits, keys) <= np.sort(scores)).all()


@settings(max_examples=50, deadline=None)
@given(SCORES, st.integers(10, 24))
def test_floor_of_a_bin_is_its_own_lowest_member(scores, bits):
    keys = score_keys(scores, bits)
    floors = bin_floors(bits, keys)
    np.testing.assert_array_equal(score_keys(floors, bits), keys)
    below = score_keys(np.nextafter(floors, np.float32(-np.inf)), bits)
    assert (below[floors != 0] < keys[floors != 0]).all()


def test_both_zeros_share_a_bin():
    assert np.unique(score_keys(np.float32([0., -0.]), 24)).size == 1


def test_half_precision_scores_are_exact_at_20_bits():
    finite = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = np.unique(finite[np.isfinite(finite) & (np.abs(finite) >= np.finfo(np.float16).tiny)])
    assert np.unique(score_keys(finite.astype(np.float32))).size == finite.size


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 3999))
def test_parts_merge_to_the_whole_in_any_order(seed, cut):
    scores, groups = pixels(seed)
    whole, first, second = (ScoreHistogram(3, 14) for _ in range(3))
    whole.update(scores, groups)
    first.update(scores[:cut], groups[:cut])
    second.update(scores[cut:], groups[cut:])
    assert torch.equal(second.merge(first).counts, whole.counts)


def test_pixels_outside_the_groups_are_never_looked_at():
    scores, groups = pixels()
    plain, dirty = ScoreHistogram(3, 16), ScoreHistogram(3, 16)
    plain.update(scores, groups)
    dirty.update(np.r_[scores, np.float32([np.nan, np.inf, 3])], np.r_[groups, np.uint8([255, 3, 255])])
    assert torch.equal(plain.counts, dirty.counts)


def test_blocks_do_not_show():
    scores, groups = pixels(size=200_000, groups=2)
    histogram = ScoreHistogram()
    histogram.update(torch.from_numpy(scores), torch.from_numpy(groups))
    keys = score_keys(scores).astype(np.int64) + (groups.astype(np.int64) << 20)
    np.testing.assert_array_equal(histogram.counts.view(-1).numpy(), np.bincount(keys, minlength=2 << 20))


@pytest.mark.parametrize('bits', [10, 20, 24])
def test_the_path_for_accelerators_counts_the_same(bits):
    scores, groups = pixels(groups=4)
    scores[:4] = 0, -0., 1e30, -1e30
    plain, device = ScoreHistogram(3, bits), ScoreHistogram(3, bits)
    plain.update(scores, groups)
    wide = torch.from_numpy(groups).long()
    before = wide.clone()
    device._update_on_device(torch.from_numpy(scores), wide)
    assert torch.equal(plain.counts, device.counts) and torch.equal(wide, before)


@pytest.mark.parametrize('value', [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('store', [ScoreHistogram, SpilledScores])
def test_non_finite_scores_are_errors(store, value):
    with pytest.raises(NonFiniteScoreError):
        store().update(np.float32([0, value]), np.int64([0, 1]))


@pytest.mark.parametrize('value', [np.nan, -np.nan, np.inf, -np.inf])
def test_a_device_tells_later_of_non_finite_scores(monkeypatch, value):
    monkeypatch.setattr(device_counts, 'on_host', lambda values: False)
    histogram = ScoreHistogram()
    histogram.update(torch.tensor([0., value]), torch.tensor([0, 255]))
    histogram.check()
    histogram.update(torch.tensor([0., value]), torch.tensor([0, 1]))
    for late in (histogram.check, histogram.ranked):
        with pytest.raises(NonFiniteScoreError):
            late()


def test_counts_make_the_histogram_they_came_from():
    histogram = ScoreHistogram(3, 12)
    histogram.update(*pixels())
    copy = ScoreHistogram.of(histogram.counts.numpy())
    assert (copy.groups, copy.bits) == (3, 12) and copy.counts.data_ptr() == histogram.counts.data_ptr()


def test_largest_finite_scores_are_counted():
    largest = np.finfo(np.float32).max
    histogram = ScoreHistogram(1, 20)
    histogram.update(np.float32([largest, -largest]), np.zeros(2, int))
    assert histogram.counts.sum() == 2


@pytest.mark.parametrize('store', [ScoreHistogram, SpilledScores])
def test_shapes_must_agree(store):
    with pytest.raises(ValueError, match='must agree'):
        store().update(np.zeros((2, 3), np.float32), np.zeros((3, 2), int))


def test_histograms_of_different_bits_do_not_merge():
    with pytest.raises(ValueError, match='do not merge'):
        ScoreHistogram(2, 12).merge(ScoreHistogram(2, 13))
    with pytest.raises(ValueError, match='bits=25'):
        ScoreHistogram(bits=25)


def test_thresholds_select_exactly_their_bins():
    scores, groups = pixels(groups=2)
    histogram = ScoreHistogram(2, 12)
    histogram.update(scores, groups)
    ranked = histogram.ranked()
    taken = [(scores[groups == 1] >= threshold).sum() for threshold in ranked.thresholds]
    np.testing.assert_array_equal(np.cumsum(ranked.positives), taken)


def test_spilled_scores_count_distinct_values_and_leave_no_file(tmp_path):
    spilled = SpilledScores(folder=tmp_path)
    spilled.update(np.float32([[3, 1], [1, 1]]), np.int64([[1, 1], [0, 255]]))
    spilled.update(np.float32([3, 7]), np.int64([0, 0]))
    ranked = spilled.ranked()
    np.testing.assert_array_equal(ranked.thresholds, [7, 3, 1])
    np.testing.assert_array_equal([ranked.positives, ranked.negatives], [[0, 1, 1], [1, 1, 1]])
    del spilled
    assert not list(tmp_path.iterdir())


def test_spilled_scores_without_positives():
    spilled = SpilledScores()
    spilled.update(np.float32([1, 2]), np.int64([0, 0]))
    assert spilled.ranked().positives.sum() == 0

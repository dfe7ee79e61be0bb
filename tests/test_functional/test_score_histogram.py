"""Laws of the streaming histogram."""
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmseg_uncertainty.functional import device_counts
from mmseg_uncertainty.functional.score_histogram import (NonFiniteScoreError, ScoreHistogram, SpilledScores,
                                                          score_keys, scores_of_keys)

SCORES = arrays(np.float32, st.integers(1, 60), elements=st.floats(-2.**100, 2.**100, width=32))


def pixels(seed=0, size=4000, groups=3):
    random = np.random.default_rng(seed)
    return random.normal(size=size).astype(np.float32), random.integers(0, groups, size).astype(np.uint8)


@settings(max_examples=50, deadline=None)
@given(SCORES, st.integers(10, 24))
def test_keys_order_like_scores(scores, bits):
    keys = score_keys(np.sort(scores), bits)
    assert (np.diff(keys.astype(np.int64)) >= 0).all()
    assert (scores_of_keys(keys << np.uint32(32 - bits)) <= np.sort(scores)).all()


@settings(max_examples=50, deadline=None)
@given(SCORES)
def test_keys_of_32_bits_are_their_scores(scores):
    np.testing.assert_array_equal(scores_of_keys(score_keys(scores, 32)), scores)


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


FAMILIES = {
    'normal': lambda random, size: random.normal(size=size),
    'concentrated': lambda random, size: 500 + random.normal(size=size),
    'narrow': lambda random, size: 1 - 1e-5 * random.random(size),
    'tied': lambda random, size: random.normal(size=size).round(1),
    'wide': lambda random, size: np.exp(np.clip(30 * random.normal(size=size), -85, 85)) * random.choice([-1, 1], size),
    'denormal': lambda random, size: 1e-40 * random.normal(size=size),
    'constant': lambda random, size: np.full(size, -.23),
}


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('bits', [10, 13, 16, 20])
def test_cells_count_what_they_say_in_any_order_and_division(family, bits):
    random = np.random.default_rng(bits)
    scores = FAMILIES[family](random, 6000).astype(np.float32)
    groups = random.integers(0, 3, scores.size).astype(np.uint8)
    whole, stream = ScoreHistogram(2, bits), ScoreHistogram(2, bits)
    whole.update(scores, groups)
    merged = [ScoreHistogram(2, bits) for _ in range(3)]
    for index, part in enumerate(np.array_split(random.permutation(scores.size), 9)):
        stream.update(scores[part], groups[part])
        merged[index % 3].update(scores[part], groups[part])
    before = merged[1].counts.clone(), merged[1].pages.clone()
    total = merged[2].merge(merged[1]).merge(merged[0])
    assert torch.equal(merged[1].counts, before[0]) and torch.equal(merged[1].pages, before[1])
    for other in (stream, total):
        assert torch.equal(other.counts, whole.counts) and torch.equal(other.pages, whole.pages)
    ranked = whole.ranked()
    for group, counts in ((1, ranked.positives), (0, ranked.negatives)):
        ordered = np.sort(scores[groups == group])
        above = ordered.size - np.searchsorted(ordered, ranked.thresholds)
        np.testing.assert_array_equal(np.cumsum(counts), above)


@pytest.mark.parametrize('family, key_bits', [('concentrated', 32), ('narrow', 32), ('constant', 32), ('denormal', 32),
                                              ('normal', 22), ('wide', 20)])
def test_a_million_cells_are_as_fine_as_the_scores_allow(family, key_bits):
    histogram = ScoreHistogram()
    histogram.update(FAMILIES[family](np.random.default_rng(0), 200_000).astype(np.float32), np.zeros(200_000, np.uint8))
    assert histogram.key_bits >= key_bits
    assert histogram.ranked().exact == (histogram.key_bits == 32)


def test_every_page_at_once_leaves_the_bits_that_the_cells_have():
    keys = np.arange(0x10, 0x1FF0, dtype=np.uint32) << np.uint32(19)
    for bits in (10, 12, 13, 20):
        histogram = ScoreHistogram(1, bits)
        histogram.update(scores_of_keys(keys), np.zeros(keys.size, int))
        assert histogram.key_bits == bits and histogram.counts.sum() == keys.size


@pytest.mark.parametrize('bits', [10, 20, pytest.param(24, marks=pytest.mark.slow)])
def test_the_path_for_accelerators_counts_the_same(bits, monkeypatch):
    scores, groups = pixels(groups=4)
    scores[:4] = 0, -0., 1e30, -1e30
    plain, device = ScoreHistogram(3, bits), ScoreHistogram(3, bits)
    plain.update(scores, groups)
    wide = torch.from_numpy(groups).long()
    before = wide.clone()
    with monkeypatch.context() as patch:
        patch.setattr(device_counts, 'on_host', lambda values: False)
        for part in range(3):
            device.update(torch.from_numpy(scores[part::3].copy()), wide[part::3])
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
    copy = ScoreHistogram.of(histogram.counts.numpy(), histogram.pages.numpy())
    assert (copy.groups, copy.bits) == (3, 12) and copy.counts.data_ptr() == histogram.counts.data_ptr()
    np.testing.assert_array_equal(copy.ranked().positives, histogram.ranked().positives)


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

"""Laws of the bins of the SegmentMeIfYouCan benchmark."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmseg_uncertainty.functional.quantile_bins import best_binned_f1, quantile_bins
from mmseg_uncertainty.functional.score_histogram import NonFiniteScoreError


def scores_and_labels(seed, size=400, kind=np.float32):
    random = np.random.default_rng(seed)
    labels = random.random(size) < .2
    return (random.normal(size=size) + labels).round(random.integers(1, 5)).astype(kind), labels


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 999), bins=st.sampled_from([4, 32, 768]), kind=st.sampled_from(['float16', 'float32', 'float64']))
def test_edges_are_quantiles_and_counts_are_those_of_a_histogram(seed, bins, kind):
    scores, labels = scores_and_labels(seed, kind=kind)
    found = quantile_bins(scores[labels], scores[~labels], bins)
    wide = scores.astype(float)
    quantiles = [np.quantile(part, np.linspace(0, 1, min(bins // 2, part.size))) for part in (wide[labels], wide[~labels])]
    edges = np.r_[found.edges, max(wide.max(), 1)]
    np.testing.assert_allclose(np.unique(np.concatenate([[0, 1], *quantiles]).round(9)), np.unique(edges.round(9)), atol=1e-8)
    for part, counts in ((wide[labels], found.positives), (wide[~labels], found.negatives)):
        np.testing.assert_array_equal(counts, np.histogram(part, edges)[0])


def below_the_last_edge(scores):
    """The last bin holds both of its edges, so that the highest score of an image counts with the one before."""
    highest = scores.max()
    return np.where(scores == highest, max(1, scores[scores < highest].max()), scores) if highest > 1 else scores


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999))
def test_with_a_bin_for_every_score_it_is_the_best_f1_of_all_thresholds(seed):
    random = np.random.default_rng(seed)
    # With these numbers of pixels every quantile is a score, without rounding.
    images = [(random.normal(size=82), random.permutation(82) < 17) for _ in range(3)]
    scores, labels = np.concatenate([below_the_last_edge(part) for part, _ in images]), np.concatenate([part for _, part in images])
    best, threshold = best_binned_f1([quantile_bins(part[mask], part[~mask], 4000) for part, mask in images])
    f1 = [2 * (labels & (scores >= at)).sum() / ((scores >= at).sum() + labels.sum()) for at in np.unique(scores)]
    assert best == pytest.approx(max(f1))
    assert best == pytest.approx(2 * (labels & (scores >= threshold)).sum() / ((scores >= threshold).sum() + labels.sum()))


def test_the_order_of_images_does_not_matter():
    images = [quantile_bins(scores[labels], scores[~labels]) for scores, labels in map(scores_and_labels, range(6))]
    assert best_binned_f1(images) == best_binned_f1(images[::-1])


def test_images_without_one_of_the_groups_count():
    scores, labels = scores_and_labels(1)
    both = best_binned_f1([quantile_bins(scores[labels], scores[:0]), quantile_bins(scores[:0], scores[~labels])])
    assert 0 < both[0] < 1
    alone = best_binned_f1([quantile_bins(scores[:0], scores[~labels])])
    assert np.isnan(alone[0]) and np.isinf(alone[1])
    assert np.isnan(best_binned_f1([])[0])


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_refused_in_either_group(value):
    broken, whole = np.float32([.5, value, .25]), np.float32([.5, .25])
    for groups in ((broken, whole), (whole, broken), (broken, whole[:0]), (whole[:0], broken)):
        with pytest.raises(NonFiniteScoreError, match='NaN or infinite'):
            quantile_bins(*groups)


def test_a_group_without_pixels_gives_no_edge():
    found = quantile_bins(np.float32([.25, 2]), np.empty(0, np.float32), 4)
    assert found.edges.tolist() == [0, .25, 1] and found.positives.tolist() == [0, 1, 1] and not found.negatives.any()
    assert quantile_bins(*[np.empty(0, np.float32)] * 2).edges.tolist() == [0]

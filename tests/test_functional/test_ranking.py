"""Ranking metrics against scikit-learn in float64, their laws and their bounds."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from mmseg_uncertainty.functional import ranking
from mmseg_uncertainty.functional.score_histogram import ScoreHistogram, SpilledScores

METRICS = ('auroc', 'average_precision', 'fpr_at_tpr', 'best_f1')


def sample(seed, size=3000, kind='normal', share=.1):
    random = np.random.default_rng(seed)
    wrong = random.random(size) < share
    wrong[:2] = True, False
    scores = random.normal(size=size) + 1.5 * wrong
    scores = {
        'normal': lambda: scores,
        'msp': lambda: 1 / (1 + np.exp(-4 * scores)),
        'saturated': lambda: np.clip(scores, -.5, 1),
        'tied': lambda: np.round(scores, 1),
        'huge': lambda: np.sign(scores) * 10**(np.abs(scores) * 7).clip(max=30),
    }[kind]()
    return scores.astype(np.float32), wrong.astype(np.int64)


def ranked(scores, wrong, store=None):
    store = store or SpilledScores()
    store.update(scores, wrong)
    return store.ranked()


def value(name, counts):
    result = getattr(ranking, name)(counts.positives, counts.negatives)
    return result[0] if name == 'best_f1' else result


def sklearn_value(name, scores, wrong):
    if name == 'auroc':
        return roc_auc_score(wrong, scores)
    if name == 'average_precision':
        return average_precision_score(wrong, scores)
    if name == 'fpr_at_tpr':
        fpr, tpr, _ = roc_curve(wrong, scores, drop_intermediate=False)
        return fpr[np.argmax(tpr >= .95)]
    precision, recall, _ = precision_recall_curve(wrong, scores)
    return np.nanmax(2 * precision * recall / np.maximum(precision + recall, 1e-30))


@pytest.mark.parametrize('kind', ['normal', 'msp', 'saturated', 'tied', 'huge'])
@pytest.mark.parametrize('name', METRICS)
def test_exact_mode_is_scikit_learn(name, kind):
    for seed in range(3):
        scores, wrong = sample(seed, kind=kind)
        assert value(name, ranked(scores, wrong)) == pytest.approx(sklearn_value(name, scores, wrong), abs=1e-12)


@pytest.mark.parametrize('kind', ['normal', 'msp', 'saturated', 'tied', 'huge'])
@pytest.mark.parametrize('name', METRICS)
@pytest.mark.parametrize('bits', [10, 12, 20])
def test_streaming_stays_within_its_bound(name, kind, bits):
    for seed in range(3):
        scores, wrong = sample(seed, kind=kind)
        streamed = ranked(scores, wrong, ScoreHistogram(2, bits))
        bound = getattr(ranking, name + '_bound')(streamed.positives, streamed.negatives)
        assert abs(value(name, streamed) - sklearn_value(name, scores, wrong)) <= bound + 1e-12


@pytest.mark.parametrize('name', ['auroc', 'average_precision'])
def test_exact_counts_bound_the_error_of_coarse_ties_only(name):
    distinct = ranked(np.arange(50, dtype=np.float32), np.arange(50) % 2)
    assert getattr(ranking, name + '_bound')(distinct.positives, distinct.negatives) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([np.arctan, np.cbrt, lambda s: 1e20 * s, lambda s: s - 40]))
def test_increasing_transforms_change_nothing_within_the_bound(seed, transform):
    scores, wrong = sample(seed, 400, 'tied')
    before = ranked(scores, wrong, ScoreHistogram())
    after = ranked(transform(scores.astype(np.float64)).astype(np.float32), wrong, ScoreHistogram())
    for name in METRICS:
        bound = sum(getattr(ranking, name + '_bound')(part.positives, part.negatives) for part in (before, after))
        assert abs(value(name, before) - value(name, after)) <= bound + 1e-12


@pytest.mark.parametrize('share', [.01, .5, .99])
def test_perfect_and_inverted_ranking(share):
    _, wrong = sample(0, share=share)
    perfect, inverted = ranked(wrong.astype(np.float32), wrong), ranked(-wrong.astype(np.float32), wrong)
    assert [value(name, perfect) for name in METRICS] == [1, 1, 0, 1]
    assert value('auroc', inverted) == 0
    assert value('fpr_at_tpr', inverted) == 1


@pytest.mark.parametrize('name', METRICS)
@pytest.mark.parametrize('wrong', [np.zeros(5, int), np.ones(5, int), np.full(5, 255)])
def test_an_empty_group_gives_nan_or_a_defined_value(name, wrong):
    scores = np.arange(5, dtype=np.float32)
    result = value(name, ranked(scores, wrong))
    needs_negatives = name in ('auroc', 'fpr_at_tpr')
    assert np.isnan(result) == (not (wrong == 1).any() or needs_negatives)


def test_leading_dimensions_are_independent():
    parts = [ranked(*sample(seed, kind='tied'), ScoreHistogram(2, 12)) for seed in (1, 2)]
    size = min(part.positives.size for part in parts)
    positives, negatives = (np.stack([getattr(part, side)[:size] for part in parts])
                            for side in ('positives', 'negatives'))
    for name in ('auroc', 'average_precision', 'fpr_at_tpr', 'precision_recall_trapezoid', 'interpolated_fpr_at_tpr'):
        function = getattr(ranking, name)
        np.testing.assert_array_equal(function(positives, negatives), [*map(function, positives, negatives)])


def test_weighted_bins_equal_as_many_pixels():
    positives, negatives = np.int64([[3, 1, 0, 2], [1, 4, 9, 0]])
    for name in ('auroc', 'average_precision', 'fpr_at_tpr'):
        function = getattr(ranking, name)
        many = function(positives * 10**9, negatives * 10**9)
        assert function(positives, negatives) == pytest.approx(many, rel=1e-14)


def test_published_variants_are_the_trapezoids_of_scikit_learn():
    scores, wrong = sample(3, kind='tied')
    counts = ranked(scores, wrong)
    precision, recall, _ = precision_recall_curve(wrong, scores)
    assert value('precision_recall_trapezoid', counts) == pytest.approx(auc(recall, precision), abs=1e-12)
    fpr, tpr, _ = roc_curve(wrong, scores)
    assert value('interpolated_fpr_at_tpr', counts) == pytest.approx(np.interp(.95, tpr, fpr), abs=1e-12)


def test_a_rate_that_is_met_exactly_is_reached():
    positives, negatives = np.int64([[19, 1], [38, 2]]), np.int64([[1, 3], [2, 6]])
    np.testing.assert_array_equal(ranking.fpr_at_tpr(positives, negatives), [.25, .25])


def test_of_equal_f1_the_lowest_threshold_is_taken():
    positives, negatives = np.int64([2, 0, 1, 0]), np.int64([0, 1, 0, 1])
    value, index = ranking.best_f1(np.int64([1, 1, 0]), np.int64([0, 2, 2]))
    assert (value, index) == (pytest.approx(2 / 3), 1)
    assert ranking.best_f1(positives, negatives)[1] == 2


@pytest.mark.parametrize('name', ['precision_recall_trapezoid', 'interpolated_fpr_at_tpr'])
@pytest.mark.parametrize('rate', [.95, .5])
def test_published_variants_stay_within_their_bounds(name, rate):
    random, options = np.random.default_rng(0), dict(rate=rate) if 'fpr' in name else {}
    tightest = np.inf
    for _ in range(1500):
        positives, negatives = random.integers(0, 5, (2, random.integers(1, 25)))
        cuts = np.r_[0:positives.size:random.integers(1, 6)]
        coarse = np.add.reduceat(positives, cuts), np.add.reduceat(negatives, cuts)
        if not coarse[0].sum() or not coarse[1].sum():
            continue
        function, bound = getattr(ranking, name), getattr(ranking, f'{name}_bound')(*coarse, **options)
        error = abs(function(positives, negatives, **options) - function(*coarse, **options))
        assert error <= bound + 1e-12
        tightest = min(tightest, bound - error) if cuts.size < positives.size else tightest
    assert tightest < (.01 if options else .1)


def test_bounds_of_the_published_variants_are_the_farther_end():
    """By hand: all negatives of each bin first, and the stretch that holds the rate."""
    assert ranking.precision_recall_trapezoid_bound(np.int64([1, 1]), np.int64([1, 1])) == pytest.approx(11 / 24)
    counts = np.int64([2, 1, 1]), np.int64([1, 1, 2])
    assert ranking.interpolated_fpr_at_tpr(*counts) == pytest.approx(.9)
    assert ranking.interpolated_fpr_at_tpr_bound(*counts) == pytest.approx(.4)

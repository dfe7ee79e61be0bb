"""Records of ranks against counting, their precision and size, and the limits of what follows from them."""
import numpy as np
import pytest
import torch

from mmseg_uncertainty.functional import ranking, ranking_resamples, risk_coverage
from mmseg_uncertainty.functional.rank_records import (compact_blocks, counts_above, rank_blocks, rank_blocks_of_tensor)
from mmseg_uncertainty.functional.ranking_resamples import column_edges, columns_of, resampled_rankings
from mmseg_uncertainty.functional.score_histogram import ScoreHistogram, rank_exactly, score_keys

FAMILIES = {
    'normal': lambda random, size: random.normal(size=size),
    'concentrated': lambda random, size: 500 + random.normal(size=size),
    'tied': lambda random, size: random.normal(size=size).round(1),
    'piled': lambda random, size: np.where(random.random(size) < .9, 0, random.normal(size=size)),
    'wide': lambda random, size: np.exp(np.clip(20 * random.normal(size=size), -85, 85)),
    'constant': lambda random, size: np.ones(size),
}


def edges_of(scores, random):
    return np.r_[np.unique(score_keys(random.choice(scores, 200), 32))[::-1], 0].astype(np.int64)


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('size', [1, 100, 127, 128, 3000, 40_000])
def test_counts_above_any_score_are_known_to_a_64th_from_both_ends(family, size):
    random = np.random.default_rng(size)
    scores = FAMILIES[family](random, size).astype(np.float32)
    members = random.random(size) < .7
    tops, counts = rank_blocks(scores, members)
    edges = edges_of(scores, random)
    fewest, most = counts_above(tops, counts, edges)
    true = (score_keys(scores[members], 32)[:, None] >= edges).sum(0)
    assert (fewest <= true).all() and (true <= most).all() and fewest[-1] == true[-1] == members.sum()
    nearest = np.minimum(true, members.sum() - true + 1)
    assert (most - fewest <= nearest / 64).all()
    assert (np.diff(tops.astype(np.int64)) < 0).all() and tops.size <= 64 * (2 * np.log2(size + 1) + 2)


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('size', [1, 200, 5000])
def test_a_device_finds_the_same_blocks(family, size):
    random = np.random.default_rng(0)
    scores, members = FAMILIES[family](random, size).astype(np.float32), random.random(size) < .6
    scores[~members & (random.random(size) < .1)] = np.nan
    blocks = compact_blocks(rank_blocks_of_tensor(torch.from_numpy(scores), torch.from_numpy(members)).numpy())
    for found, expected in zip(blocks, rank_blocks(scores, members)):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def images_of(family, count=6, size=1500, seed=0):
    random = np.random.default_rng(seed)
    for _ in range(count):
        wrong = random.random(size) < .2
        yield FAMILIES[family](random, size).astype(np.float32) + np.float32(.5 * random.normal()) + wrong, wrong


STATISTICS = {
    'auroc': (ranking.auroc, ranking.auroc_bound),
    'average_precision': (ranking.average_precision, ranking.average_precision_bound),
    'fpr_at_tpr': (ranking.fpr_at_tpr, ranking.fpr_at_tpr_bound),
    'best_f1': (lambda *counts: ranking.best_f1(*counts)[0], ranking.best_f1_bound),
    'aurc': (risk_coverage.aurc, risk_coverage.aurc_bound),
    'risk_at_coverage': (lambda *counts: risk_coverage.risk_at_coverage(*counts, .8),
                         lambda *counts: risk_coverage.risk_at_coverage_bound(*counts, .8)),
}


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('name', STATISTICS)
def test_every_resample_lies_between_its_limits(family, name):
    statistic, bound = STATISTICS[name]
    images = list(images_of(family))
    pooled = ScoreHistogram()
    for scores, wrong in images:
        pooled.update(scores, wrong.astype(np.uint8))
    blocks = [[rank_blocks(scores, wrong == group) for group in (False, True)] for scores, wrong in images]
    counts = columns_of(blocks, column_edges(pooled.ranked(), 200))
    weights = np.random.default_rng(1).multinomial(len(images), np.full(len(images), 1 / len(images)), size=120)
    rankings = list(resampled_rankings(counts, weights))
    assert [len(part.doubt) for part in rankings] == [100, 20]
    for index, drawn in enumerate(weights):
        part, row = rankings[index // 100], index % 100
        sides = [np.concatenate([np.repeat(scores[wrong == group], times) for times, (scores, wrong) in zip(drawn, images)])
                 for group in (True, False)]
        exact = rank_exactly(*sides)
        value = float(statistic(exact.positives, exact.negatives))
        ends = [[side[row] for side in getattr(part, kind)] for kind in ('worst', 'best')]
        within = max(float(bound(*end)) for end in ends)
        values = [float(statistic(*end)) for end in ends]
        assert min(values) - within - 1e-12 <= value <= max(values) + within + 1e-12


def test_columns_are_few_and_end_with_all_pixels():
    pooled = ScoreHistogram()
    for scores, wrong in images_of('normal', 8, 20_000):
        pooled.update(scores, wrong.astype(np.uint8))
    ranked = pooled.ranked()
    for columns in (64, 500, 2048):
        edges = column_edges(ranked, columns)
        assert columns / 3 < edges.size <= columns + 1 and edges[-1] == 0 and (np.diff(edges) < 0).all()
        keys = score_keys(ranked.thresholds, 32).astype(np.int64)
        ends = np.searchsorted(-keys, -edges, side='right')
        shares = np.diff(np.cumsum(ranked.negatives)[ends - 1], prepend=0) / ranked.negatives.sum()
        assert shares.max() <= 4 / columns + ranked.negatives.max() / ranked.negatives.sum()


def test_the_best_ranking_has_most_positives_and_fewest_negatives_above_every_edge():
    counts = np.int32([[[[1, 5]], [[2, 4]]], [[[3, 5]], [[3, 4]]]])  # fewest and most, negatives and positives
    part = next(resampled_rankings(counts, np.int64([[2]])))
    for found, positives, negatives in ((part.best, [6, 2], [2, 8]), (part.worst, [4, 4], [6, 4]), (part.middle, [5, 3], [4, 6])):
        np.testing.assert_array_equal(found, [[positives], [negatives]])
    assert part.doubt == 2


def test_of_many_scores_some_are_candidates_the_most_uncertain_among_them(monkeypatch):
    monkeypatch.setattr(ranking_resamples, 'CANDIDATES', 64)
    pooled = ScoreHistogram()
    for scores, wrong in images_of('normal'):
        pooled.update(scores, wrong.astype(np.uint8))
    ranked = pooled.ranked()
    edges = column_edges(ranked)
    assert ranked.thresholds.size > 1000 and edges.size <= 64 and edges[-1] == 0
    candidates = np.union1d(np.arange(32), np.arange(32) * (ranked.thresholds.size - 1) // 31)
    kept = np.flatnonzero(np.isin(score_keys(ranked.thresholds, 32), edges))
    np.testing.assert_array_equal(edges[:32], score_keys(ranked.thresholds[:32], 32))
    assert kept.size == edges.size - 1 and np.isin(kept, candidates).all()

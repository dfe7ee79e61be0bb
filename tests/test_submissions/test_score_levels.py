"""Scores become levels in their order, and as few as possible become equal."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from mmseg_uncertainty.submissions.score_levels import ScoreLevels, sample_scores
from mmseg_uncertainty.submissions.smiyc_submission import HALVES

FLOATS = st.floats(-2.0**100, 2.0**100, width=32)


@given(st.lists(FLOATS, min_size=1, max_size=60), st.integers(2, 500))
def test_the_order_is_kept_and_levels_are_in_range(scores, count):
    scores = np.sort(np.array(scores, np.float32))
    levels = ScoreLevels(scores, count)(scores)
    assert (np.diff(levels) >= 0).all() and levels[0] >= 0 and levels[-1] < count


@given(st.lists(FLOATS, min_size=1, max_size=60, unique=True))
def test_few_scores_stay_distinct(scores):
    levels = ScoreLevels(np.array(scores), 3 * len(scores) + 3)(np.array(scores))
    assert len(set(levels.tolist())) == len(scores)


def test_scores_beyond_the_samples_have_the_ends():
    levels = ScoreLevels(np.array([0., 1., 2.]), 9)
    assert levels(np.array([-5., 9.])).tolist() == [0, 8]


@pytest.mark.parametrize('make', [
    lambda random: 1 - 10**random.uniform(-6, 0, 200_000), lambda random: 1000 + random.normal(size=200_000),
    lambda random: np.exp(random.normal(size=200_000) * 9)], ids=['near one', 'large', 'heavy tails'])
def test_levels_rank_as_the_scores_do_where_half_precision_does_not(make):
    random = np.random.default_rng(0)
    scores = np.sort(make(random)).astype(np.float32)
    # Anomalies are rare, and the larger a score the likelier, as in benchmarks.
    anomalous = random.random(len(scores)) < np.linspace(0, 1, len(scores))**300
    exact = average_precision_score(anomalous, scores)
    levels = ScoreLevels(sample_scores([scores], 1), len(HALVES))(scores)
    assert average_precision_score(anomalous, levels) == pytest.approx(exact, abs=1e-3)
    with np.errstate(over='ignore'):
        halves = np.nan_to_num(scores.astype(np.float16).astype(float), posinf=1e6)
    assert abs(average_precision_score(anomalous, halves) - exact) > 1e-2


def test_samples_include_the_ends_of_every_map():
    maps = [np.arange(100_000, dtype=np.float32), np.array([[-7., 3.]], np.float32)]
    samples = sample_scores(maps, len(maps))
    assert {0, 99_999, -7, 3} <= set(samples.tolist()) and len(samples) < 2**15 + 3


@pytest.mark.parametrize('scores', [[], [np.nan, 1], [np.inf]])
def test_what_cannot_be_ranked_is_refused(scores):
    with pytest.raises(ValueError, match='expected finite scores'):
        ScoreLevels(np.array(scores), 8)


def test_halves_are_all_numbers_from_minus_one_to_one():
    assert HALVES.dtype == np.float16 and HALVES[0] == -1 and HALVES[-1] == 1 and (np.diff(HALVES.astype(float)) > 0).all()
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    assert len(HALVES) == len(np.unique(every[np.abs(every) <= 1]))

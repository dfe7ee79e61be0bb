import math

import numpy as np
import pytest

from mmseg_uncertainty.functional.flag_counts import (NEGATIVE, POSITIVE, UNKNOWN, concatenate_flags, tabulate_flags,
                                                      threshold_of_cell)
from mmseg_uncertainty.functional.flag_losses import cell_of_level
from mmseg_uncertainty.functional.flag_promises import (FALLING, FlagPromise, choose_threshold, level_of_threshold,
                                                        threshold_of_loss)
from mmseg_uncertainty.functional.risk_control import images_needed

DRAWS = 1000


def images(count, seed, shift=0.0, pixels=40, void=0.1):
    """Images of different difficulty: mistakes score higher than right pixels, and more so in easy images."""
    generator = np.random.default_rng(seed)
    ease = generator.uniform(0.5, 2.5, (count, 1))
    kinds = (generator.random((count, pixels)) < generator.beta(1, 6, (count, 1))).astype(int)
    scores = generator.normal(size=kinds.shape) + ease * kinds + shift
    kinds[generator.random(kinds.shape) < void] = UNKNOWN
    return scores.astype(np.float32), kinds


def table_of(scores, kinds, **options):
    return concatenate_flags([tabulate_flags(one[None], kind[None], **options) for one, kind in zip(scores, kinds)])


def drawn(count, population, seed):
    """How often each image of a population occurs in each of the draws, which makes its mean loss the true risk."""
    return np.random.default_rng(seed).multinomial(count, np.full(population, 1 / population), size=DRAWS)


def risks_of_draws(promise, table, draws, units=None):
    """True risk at the threshold that each draw of calibration images chooses."""
    loss = promise.loss(table, units)
    levels = [threshold_of_loss(loss, promise, table.bits, draw).result.threshold for draw in draws]
    values, index = np.unique(levels, return_inverse=True)
    return np.nanmean(loss.at(values), axis=0)[index]


@pytest.mark.parametrize('kind, alpha', [('false_alarms', 0.05), ('misses', 0.2), ('frame_alarms', 0.1)])
def test_expected_risk_is_at_most_alpha_and_not_far_below(kind, alpha):
    promise, count = FlagPromise(kind, alpha, pixels=3), 60
    risks = risks_of_draws(promise, table_of(*images(400, 1)), drawn(count, 400, 2))
    error = risks.std() / math.sqrt(DRAWS)
    assert risks.mean() <= alpha + 2 * error
    assert risks.mean() >= alpha - 2 / (count + 1) - 2 * error - 0.003, 'looser than the theorem; cells add a little'


@pytest.mark.parametrize('kind, alpha, control', [('false_alarms', 0.05, 'rcps'), ('misses', 0.3, 'rcps'),
                                                  ('frame_alarms', 0.2, 'rcps'), ('selective_risk', 0.12, None),
                                                  ('precision', 0.45, None)])
def test_the_risk_exceeds_alpha_in_at_most_a_share_delta_of_the_draws(kind, alpha, control):
    promise = FlagPromise(kind, alpha, control, delta=0.1)
    risks = risks_of_draws(promise, table_of(*images(400, 3)), drawn(120, 400, 4))
    violated = (risks > alpha + 1e-9).mean()
    assert violated <= 0.1 + 2 * math.sqrt(0.09 / DRAWS)
    assert (risks > 0).mean() > 0.8, 'a threshold of use is found'


def test_with_scenes_the_promise_is_about_a_frame_of_a_further_scene():
    generator = np.random.default_rng(5)
    scenes, frames = 150, 8
    units = np.repeat(np.arange(scenes), frames)
    scores, kinds = images(scenes * frames, 6, pixels=12)
    scores += generator.normal(0, 1.5, scenes).astype(np.float32)[units][:, None]
    table, count, alpha = table_of(scores, kinds), 30, 0.1
    draws, error = drawn(count, scenes, 7), 2 * math.sqrt(0.09 / DRAWS)
    by_scene = risks_of_draws(FlagPromise('false_alarms', alpha), table, draws, units)
    assert alpha - 2 / (count + 1) - 0.005 <= by_scene.mean() <= alpha + 2 * by_scene.std() / math.sqrt(DRAWS)
    sure = FlagPromise('false_alarms', alpha, 'rcps')
    assert (risks_of_draws(sure, table, draws, units) > alpha).mean() <= 0.1 + error
    # Frames of a scene that are counted as if they did not depend on each other.
    assert (risks_of_draws(sure, table, draws[:, units]) > alpha).mean() > 0.1 + error


def test_shifted_images_break_the_promise():
    promise = FlagPromise('false_alarms', 0.05)
    chosen = choose_threshold(table_of(*images(300, 9)), promise)
    shifted = promise.loss(table_of(*images(300, 10, shift=0.7)))
    level = level_of_threshold(chosen.threshold, 16, True)
    assert np.nanmean(shifted.at([level])) > 0.1


def test_images_that_fitted_the_score_break_the_promise():
    """A score that learned the mistakes of its calibration images looks better there than anywhere else."""
    alpha, risks = 0.1, []
    for seed in range(100):
        generator = np.random.default_rng(seed)
        features, wrong = generator.normal(size=(60, 12, 40)), generator.random((60, 12)) < 0.3
        flat, target = features[:30].reshape(-1, 40), wrong[:30].ravel() - 0.3
        weights = np.linalg.lstsq(flat, target, rcond=None)[0]
        scores = (features @ weights).astype(np.float32)
        fitted, further = table_of(scores[:30], wrong[:30].astype(int)), table_of(scores[30:], wrong[30:].astype(int))
        promise = FlagPromise('misses', alpha)
        level = level_of_threshold(choose_threshold(fitted, promise).threshold, 16, False)
        risks.append(np.nanmean(promise.loss(further).at([level])))
    assert np.mean(risks) > alpha + 5 * np.std(risks) / math.sqrt(100)


@pytest.mark.parametrize('count, alpha', [(19, 0.1), (20, 0.1), (47, 0.23)])
def test_frame_alarms_are_the_conformal_quantile_of_the_highest_thresholds(count, alpha):
    scores = np.random.default_rng(count).normal(size=(count, 1, 30)).astype(np.float32)
    table = concatenate_flags([tabulate_flags(one, np.zeros(one.shape, int), bits=18) for one in scores])
    chosen = choose_threshold(table, FlagPromise('frame_alarms', alpha, pixels=2))
    second = np.sort(scores[:, 0])[:, -2]
    rank = math.ceil((count + 1) * (1 - alpha) - 1e-9)
    assert (second > chosen.threshold).sum() == count - rank


def test_selective_risk_and_precision_are_tested_in_sequence_until_one_fails():
    scores, kinds = images(300, 11)
    table = table_of(scores, kinds)
    for kind in ('selective_risk', 'precision'):
        promise = FlagPromise(kind, 0.12 if kind == 'selective_risk' else 0.45)
        chosen = choose_threshold(table, promise)
        loss = promise.loss(table)
        levels = np.unique(np.r_[loss.conformity, 1.0])
        risks = np.nanmean(loss.at(levels), axis=0)
        chosen_level = level_of_threshold(chosen.threshold, 16, kind == 'precision')
        assert (risks[levels <= chosen_level] <= chosen.result.largest_risk + 1e-9).all()
        following = levels[levels > chosen_level]
        assert not len(following) or risks[levels == following[0]][0] > chosen.result.largest_risk
        assert chosen.result.empirical_risk == pytest.approx(risks[levels == chosen_level][0])


def test_bonferroni_finds_thresholds_behind_one_that_fails():
    """Among the surest pixels are mistakes: kept alone, few pixels hold many of them."""
    generator = np.random.default_rng(12)
    scores = generator.normal(size=(400, 50)).astype(np.float32)
    kinds = ((scores < -1.3) & (generator.random(scores.shape) < 0.5)).astype(int)
    table = table_of(scores, kinds)
    assert choose_threshold(table, FlagPromise('selective_risk', 0.15)).result.threshold < 0.4
    chosen = choose_threshold(table, FlagPromise('selective_risk', 0.15, grid=(-1.0, 0.5, 1.0, 2.0), correction='bonferroni'))
    assert chosen.result.feasible and chosen.threshold > 0.9


@pytest.mark.parametrize('kind', ['false_alarms', 'misses', 'frame_alarms', 'selective_risk', 'precision'])
def test_too_few_images_are_infeasible_and_the_safest_threshold_takes_the_place(kind):
    promise = FlagPromise(kind, 0.01)
    table = table_of(*images(20, 13, void=0.0))
    chosen = choose_threshold(table, promise)
    assert not chosen.result.feasible and chosen.result.images_needed == images_needed(promise.target)
    assert chosen.threshold == (math.inf if kind in FALLING else -math.inf)
    enough = choose_threshold(table_of(*images(images_needed(promise.target), 13, void=0.0)), FlagPromise(kind, 0.01))
    assert enough.result.feasible or kind == 'misses', 'images without a mistake do not count'


def test_images_without_labels_or_without_mistakes_do_not_count():
    scores, kinds = images(40, 14, void=0.0)
    kinds[:10], kinds[10:15] = UNKNOWN, NEGATIVE
    kinds[15:, 0] = POSITIVE
    counted = {kind: choose_threshold(table_of(scores, kinds), FlagPromise(kind, 0.3)).result.num_images
               for kind in ('false_alarms', 'misses', 'frame_alarms', 'selective_risk')}
    assert counted == dict(false_alarms=30, misses=25, frame_alarms=40, selective_risk=30)
    nothing = choose_threshold(table_of(scores[:10], kinds[:10]), FlagPromise('precision', 0.3)).result
    assert not nothing.feasible and nothing.num_images == 0
    assert choose_threshold(table_of(scores, kinds, label_kind='anomaly'),
                            FlagPromise('frame_alarms', 0.3, of='anomalies')).result.num_images == 15


def test_ties_are_flagged_together_and_keep_the_promise():
    table = table_of(np.full((50, 8), 0.5, np.float32), np.zeros((50, 8), int))
    assert choose_threshold(table, FlagPromise('false_alarms', 0.2)).threshold >= 0.5
    assert choose_threshold(table, FlagPromise('false_alarms', 0.2)).result.empirical_risk == 0


@pytest.mark.parametrize('options, found', [
    (dict(kind='recall'), "kind='recall'"), (dict(alpha=0.0), 'alpha=0'), (dict(alpha=1.0), 'alpha=1'), (dict(delta=0), 'delta=0'),
    (dict(kind='precision', control='crc'), "use control='ltt'"), (dict(pixels=0), 'pixels=0'), (dict(region=0), 'region=0'),
    (dict(of='cats'), "of='cats'"), (dict(control='exact'), "control='exact'"), (dict(grid=(0.5, )), 'grid'),
    (dict(kind='precision', correction='bonferroni'), 'needs one')])
def test_options_out_of_range_are_named(options, found):
    with pytest.raises(ValueError, match=found):
        FlagPromise(**dict(dict(kind='false_alarms', alpha=0.1), **options))


def test_levels_and_thresholds_are_one_to_one_on_the_edges_of_cells():
    for cell in (0, 1 << 15, (1 << 15) + 0x3E80, 1 << 16):
        for falls in (True, False):
            level = level_of_threshold(threshold_of_cell(cell), 16, falls)
            assert cell_of_level(level, 16, falls) == cell

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from mmseg_uncertainty.functional.conformal_losses import (binary_loss, class_miss_loss, concatenate_tables,
                                                           miscoverage_loss, select_images, tabulate)
from mmseg_uncertainty.functional.risk_control import (RiskTarget, control_classes, control_levels, control_risk,
                                                       control_risks, crc_bound, hoeffding_bentkus_bound,
                                                       hoeffding_bentkus_p_value, images_needed, learn_then_test)

ALPHAS = (0.05, 0.1, 0.3)


def synthetic_table(num_images, seed, pixels=50, num_classes=3):
    """Images of different difficulty: conformities of a beta law whose shape is drawn per image."""
    generator = np.random.default_rng(seed)
    difficulty = generator.uniform(0.3, 3, (num_images, 1))
    conformity = generator.beta(1, difficulty, (num_images, pixels))
    labels = generator.integers(num_classes, size=(num_images, pixels))
    labels[generator.random(labels.shape) < 0.1] = 255
    return tabulate(torch.from_numpy(conformity), torch.from_numpy(labels), num_classes)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(ALPHAS), st.sampled_from(['crc', 'rcps']))
def test_the_threshold_is_the_largest_that_meets_the_bound(seed, alpha, control):
    loss = miscoverage_loss(synthetic_table(60, seed))
    result = control_risk(loss, RiskTarget(alpha, control))
    risks = np.nanmean(loss.at([result.threshold, np.nextafter(np.float64(result.threshold), 2)]), axis=0)
    assert result.feasible
    assert risks[0] == pytest.approx(result.empirical_risk) and risks[0] <= result.largest_risk + 1e-12
    assert result.threshold == 1 or risks[1] > result.largest_risk


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.1, 0.21, 0.3]), st.sampled_from([0.5, 0.9, 1.0]))
def test_control_of_a_binary_loss_is_split_conformal_prediction(seed, alpha, tau):
    loss = binary_loss(synthetic_table(30, seed), tau)
    critical = np.ones(30)
    critical[loss.image] = loss.conformity
    rank = math.ceil(31 * (1 - alpha) - 1e-9)
    expected = np.sort(1 - critical)[rank - 1]
    assert control_risk(loss, RiskTarget(alpha)).level == pytest.approx(expected, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(['crc', 'rcps', 'ltt']))
def test_stricter_promises_ask_for_larger_sets(seed, control):
    loss = miscoverage_loss(synthetic_table(80, seed))
    levels = [control_risk(loss, RiskTarget(alpha, control)).level for alpha in (0.1, 0.2, 0.4)]
    assert levels == sorted(levels, reverse=True)
    crc = control_risk(loss, RiskTarget(0.2)).level
    assert control_risk(loss, RiskTarget(0.2, 'rcps', 0.05)).level >= crc


def test_repeats_are_images_that_stand_there_twice():
    table = synthetic_table(10, 0)
    repeats = np.array([2, 1, 0, 1, 3, 1, 1, 0, 1, 2])
    explicit = concatenate_tables([synthetic_table(10, 0)] * 3)
    mask = np.concatenate([repeats > copy for copy in range(3)])
    for target in (RiskTarget(0.3), RiskTarget(0.5, 'rcps')):
        counted = control_risk(miscoverage_loss(table), target, repeats)
        written_out = control_risk(miscoverage_loss(explicit), target, mask)
        assert counted.threshold == written_out.threshold and counted.num_images == written_out.num_images == 12


@pytest.mark.parametrize('control', ['crc', 'rcps', 'ltt'])
@pytest.mark.parametrize('num_images', [0, 3])
def test_too_few_images_give_the_full_set_and_say_so(control, num_images):
    loss = miscoverage_loss(synthetic_table(num_images, 1))
    result = control_risk(loss, RiskTarget(0.01, control))
    assert not result.feasible and result.threshold == 0 and result.level == 1 and result.num_images == num_images


@pytest.mark.parametrize('alpha', ALPHAS)
def test_feasibility_begins_at_the_exact_number_of_images(alpha):
    needed = round((1 - alpha) / alpha)
    assert crc_bound(math.ceil((1 - alpha) / alpha - 1e-9), alpha) >= 0
    assert math.isnan(crc_bound(needed - 1, alpha))


@pytest.mark.parametrize('options', [dict(alpha=0), dict(alpha=1.0), dict(alpha=0.1, delta=0),
                                     dict(alpha=0.1, control='hope')])
def test_targets_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match='RiskTarget'):
        RiskTarget(**options)


def test_p_values_agree_with_an_exact_binomial_test():
    errors, trials, alpha = 3, 100, 0.1
    exact = binomtest(errors, trials, alpha, alternative='less').pvalue
    value = hoeffding_bentkus_p_value(errors / trials, trials, alpha)
    assert exact <= value <= math.e * exact + 1e-12


@settings(max_examples=25, deadline=None)
@given(st.integers(5, 500), st.sampled_from(ALPHAS), st.sampled_from([0.01, 0.1, 0.3]))
def test_the_bound_is_where_the_p_value_crosses_delta(num_images, alpha, delta):
    bound = hoeffding_bentkus_bound(num_images, alpha, delta)
    if math.isnan(bound):
        assert hoeffding_bentkus_p_value(0.0, num_images, alpha) > delta
    else:
        assert hoeffding_bentkus_p_value(bound, num_images, alpha) <= delta
        assert hoeffding_bentkus_p_value(bound + 1e-6, num_images, alpha) > delta


def test_testing_in_sequence_stops_at_the_first_failure():
    risks = np.array([0.0, 0.02, 0.5, 0.0])
    np.testing.assert_array_equal(learn_then_test(risks, 200, 0.1, 0.1), [True, True, False, False])
    np.testing.assert_array_equal(learn_then_test(risks, 200, 0.1, 0.1, 'bonferroni'), [True, True, False, True])
    both = learn_then_test(np.stack([risks, risks[::-1]]), 200, 0.1, 0.1, 'bonferroni')
    np.testing.assert_array_equal(both, [True, False, False, True])


def test_several_risks_take_the_largest_set():
    table = synthetic_table(60, 5)
    losses = [miscoverage_loss(table), class_miss_loss(table, 2)]
    targets = [RiskTarget(0.3), RiskTarget(0.1)]
    threshold, results = control_risks(losses, targets)
    assert threshold == min(control_risk(*pair).threshold for pair in zip(losses, targets))
    assert all(np.nanmean(loss.at([threshold])) <= result.largest_risk for loss, result in zip(losses, results))


def with_bound(loss, bound):
    """The same images with losses in another unit."""
    return dataclasses.replace(loss, weight=loss.weight * bound, bound=bound)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(['crc', 'rcps', 'ltt']), st.sampled_from([0.2, 2.0, 5.0]), st.booleans())
def test_the_unit_of_the_loss_changes_nothing(seed, control, bound, tests_a_grid):
    loss = miscoverage_loss(synthetic_table(70, seed))
    grid = np.linspace(0, 1, 200) if tests_a_grid else None
    plain = control_risk(loss, RiskTarget(0.15, control), grid=grid)
    scaled = control_risk(with_bound(loss, bound), RiskTarget(0.15 * bound, control), grid=grid)
    assert scaled.threshold == plain.threshold > 0 and scaled.feasible and scaled.images_needed == plain.images_needed
    assert scaled.largest_risk == pytest.approx(bound * plain.largest_risk)
    assert scaled.empirical_risk == pytest.approx(bound * plain.empirical_risk)


@pytest.mark.parametrize('control', ['crc', 'rcps', 'ltt'])
def test_a_level_that_no_loss_exceeds_is_kept_by_the_smallest_sets(control):
    loss = with_bound(miscoverage_loss(synthetic_table(5, 0)), 0.2)
    result = control_risk(loss, RiskTarget(0.25, control))
    assert result.threshold == 1 and result.feasible and result.images_needed == 1
    assert control_risk(loss, RiskTarget(0.25, control), grid=np.array([0.5, 1.0])).threshold == 1


@settings(max_examples=60, deadline=None)
@given(st.floats(0.003, 0.9), st.sampled_from(['crc', 'rcps', 'ltt']), st.sampled_from([0.01, 0.1, 0.5]),
       st.sampled_from([1.0, 0.5, 3.0]))
def test_the_number_of_images_needed_is_the_first_that_is_enough(alpha, control, delta, bound):
    target = RiskTarget(alpha, control, delta)
    enough = (n for n in range(1, 20000) if not math.isnan(target.largest_risk(n, bound)))
    assert images_needed(target, bound) == next(enough)


@pytest.mark.parametrize('target, number', [(RiskTarget(0.1), 9), (RiskTarget(0.01), 99), (RiskTarget(0.3), 3),
                                            (RiskTarget(0.1, 'rcps', 0.1), 22), (RiskTarget(0.05, 'ltt', 0.05), 59)])
def test_images_needed_for_well_known_levels(target, number):
    assert images_needed(target) == number


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(ALPHAS), st.floats(0, 30))
def test_testing_every_threshold_in_sequence_stops_where_rcps_does(seed, alpha, shrunk):
    """Wherever the thresholds lie, next to 0 too."""
    loss = miscoverage_loss(synthetic_table(60, seed))
    loss = dataclasses.replace(loss, conformity=loss.conformity * 2.0**-shrunk)
    rcps, ltt = control_levels(loss, [RiskTarget(alpha, control) for control in ('rcps', 'ltt')])
    assert ltt == rcps and (ltt.threshold > 0) == ltt.feasible
    fine = np.geomspace(2.0**-60, 1, 20000)
    on_grid = control_risk(loss, RiskTarget(alpha, 'ltt'), grid=fine).threshold
    assert on_grid <= ltt.threshold <= on_grid * (fine[1] / fine[0]) or not ltt.feasible


def test_a_grid_may_come_in_any_order():
    loss = miscoverage_loss(synthetic_table(60, 3))
    grid = np.linspace(0, 1, 300)
    shuffled = np.random.default_rng(0).permutation(grid)
    results = [control_risk(loss, RiskTarget(0.3, 'ltt'), grid=nodes) for nodes in (grid, shuffled, grid[::-1])]
    assert results[0].threshold > 0 and len({result.threshold for result in results}) == 1


def test_a_grid_of_which_nothing_is_accepted_is_said_to_be_infeasible():
    loss = miscoverage_loss(synthetic_table(60, 4))
    result = control_risk(loss, RiskTarget(0.1, 'ltt'), grid=np.array([0.9, 1.0]))
    assert not result.feasible and result.threshold == 0 and result.empirical_risk == 0 and result.images_needed < 60
    assert control_risk(loss, RiskTarget(0.1, 'ltt'), grid=np.array([0.0, 0.9, 1.0])).feasible


def test_bonferroni_shares_delta_among_all_parameters():
    risks = np.full(20, 0.02)
    p_value = hoeffding_bentkus_p_value(0.02, 100, 0.1)
    assert 0.1 / 20 < p_value < 0.1
    assert not learn_then_test(risks, 100, 0.1, 0.1, 'bonferroni').any()
    assert learn_then_test(risks[:3], 100, 0.1, 0.1, 'bonferroni').all() == (p_value <= 0.1 / 3)
    assert learn_then_test(risks, 100, 0.1, 20 * float(p_value), 'bonferroni').all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(['contain', 'pixels']))
def test_repeats_count_in_every_class_and_in_its_fallback(seed, fallback):
    table = synthetic_table(40, seed)
    table.pixels[4:, 2] = 0
    rows = (table.label != 2) | (table.image < 4)
    table = type(table)(table.image[rows], table.label[rows], table.conformity[rows], table.count[rows], table.pixels)
    half = np.arange(40) < 20
    chosen, _, fell_back = control_classes(table, RiskTarget(0.1), half, fallback)
    expected, _, _ = control_classes(select_images(table, np.arange(20)), RiskTarget(0.1), None, fallback)
    np.testing.assert_array_equal(chosen, expected)
    assert fell_back.tolist() == [False, False, True]


def test_a_class_without_images_falls_back_and_is_reported():
    table = synthetic_table(40, 6, num_classes=2)
    padded = type(table)(table.image, table.label, table.conformity, table.count, np.pad(table.pixels, ((0, 0), (0, 1))))
    of_all = control_risk(miscoverage_loss(padded), RiskTarget(0.2)).threshold
    for fallback, expected in (('contain', 0), ('pixels', of_all)):
        thresholds, results, fell_back = control_classes(padded, RiskTarget(0.2), fallback=fallback)
        np.testing.assert_array_equal(fell_back, [False, False, True])
        assert thresholds[2] == expected
        assert [result.num_images for result in results] == [40, 40, 0]
    with pytest.raises(ValueError, match="fallback='hope' is unknown"):
        control_classes(padded, RiskTarget(0.2), fallback='hope')

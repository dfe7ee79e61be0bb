import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from mmseg_uncertainty.functional.conformal_losses import (binary_loss, class_miss_loss, concatenate_tables,
                                                           miscoverage_loss, tabulate)
from mmseg_uncertainty.functional.risk_control import (RiskTarget, control_classes, control_risk, control_risks, crc_bound,
                                                       hoeffding_bentkus_bound, hoeffding_bentkus_p_value,
                                                       learn_then_test)

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


def test_a_class_without_images_falls_back_and_is_reported():
    table = synthetic_table(40, 6, num_classes=2)
    padded = type(table)(table.image, table.label, table.conformity, table.count, np.pad(table.pixels, ((0, 0), (0, 1))))
    thresholds, results, fell_back = control_classes(padded, RiskTarget(0.2))
    np.testing.assert_array_equal(fell_back, [False, False, True])
    assert thresholds[2] == control_risk(miscoverage_loss(padded), RiskTarget(0.2)).threshold
    assert [result.num_images for result in results] == [40, 40, 0]

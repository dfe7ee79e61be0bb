"""Thresholds linear in an embedding: brute force, agreement with plain risk control, and the promise by simulation."""
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from mmseg_uncertainty.functional.adaptive_thresholds import (HIGHEST, LOWEST, ROUNDED_DOWN, imputed_log_odds, learned_direction,
                                                              loss_steps, shifted_loss, threshold_of_log_odds)
from mmseg_uncertainty.functional.conformal_losses import StepLoss, binary_loss, miscoverage_loss
from mmseg_uncertainty.functional.risk_control import RiskTarget, control_risk
from tests.test_functional.street_losses import image_table, street_images


def losses(seed=0, images=30, **options):
    generator = np.random.default_rng(seed)
    difficulty, places = street_images(generator, images)
    return miscoverage_loss(image_table(generator, difficulty, **options)), np.c_[np.ones(images), places]


@pytest.mark.parametrize('resolution', [None, 4, 16])
def test_fewer_steps_never_understate_a_loss_and_overstate_little(resolution):
    loss, _ = losses(void_images=3, pixels=300)
    alpha = 0.1
    steps = loss_steps(loss, alpha, resolution)
    for threshold in np.geomspace(1e-4, 0.999, 40):
        true, found = loss.at([threshold])[3:, 0], steps.at(np.full(27, logit(threshold)))
        assert (found >= true - 1e-9).all()
        step = 1e-9 if resolution is None else alpha / resolution * np.maximum(1, true / (2 * alpha)) * 1.6
        assert (found <= true + step + 1e-9).all()
    assert steps.at(np.full(27, LOWEST)) == pytest.approx(np.zeros(27))
    assert steps.at(np.full(27, HIGHEST + 1)) == pytest.approx(np.ones(27))
    assert resolution is None or len(steps.place) < len(loss.conformity) / 1.5


@pytest.mark.parametrize('alpha', [0.0507, 0.1003, 0.4001])
def test_a_constant_feature_alone_is_plain_risk_control(alpha):
    loss, _ = losses(1, 25)
    log_odds = imputed_log_odds(loss_steps(loss, alpha, None), np.ones((25, 1)), np.ones(1), alpha)
    chosen = control_risk(loss, RiskTarget(alpha))
    assert threshold_of_log_odds(log_odds) == pytest.approx(chosen.threshold, rel=1e-5)
    assert threshold_of_log_odds(log_odds) <= chosen.threshold


def test_an_indicator_of_a_group_is_plain_risk_control_of_the_group():
    loss, _ = losses(2, 40)
    alpha = 0.2003
    member = np.arange(40) % 3 == 0
    features = np.c_[member, ~member].astype(float)
    steps = loss_steps(loss, alpha, None)
    for further, group in ((np.array([1.0, 0.0]), member), (np.array([0.0, 1.0]), ~member)):
        expected = control_risk(loss, RiskTarget(alpha), group.astype(int)).threshold
        assert threshold_of_log_odds(imputed_log_odds(steps, features, further, alpha)) == pytest.approx(expected, rel=1e-5)


def test_the_threshold_minimizes_the_convex_objective():
    loss, features = losses(3, 20, pixels=6)
    further, alpha = np.array([1.0, 0.3]), 0.25
    steps = loss_steps(loss, alpha, None)

    def objective(theta):
        beyond = np.maximum((features @ theta)[steps.image] - steps.place, 0)
        return steps.weight @ beyond - alpha * (features @ theta).sum() + (1 - alpha) * further @ theta

    direct = min((minimize(objective, start, method='Nelder-Mead', options=dict(xatol=1e-9, fatol=1e-13, maxiter=4000))
                  for start in ([-2.0, 0.0], [-4.0, 1.0], [-1.0, -1.0])), key=lambda result: result.fun)
    found = imputed_log_odds(steps, features, further, alpha)
    # The objective at the best theta whose threshold is the one that was found.
    held = min((minimize(lambda slope: objective([found - further[1] * slope[0], slope[0]]), [start], method='Nelder-Mead',
                         options=dict(xatol=1e-9, fatol=1e-13)) for start in (-3.0, 0.0, 3.0)), key=lambda result: result.fun)
    assert held.fun == pytest.approx(direct.fun, abs=1e-4)


def test_units_of_the_features_do_not_matter():
    loss, features = losses(4)
    steps, further = loss_steps(loss, 0.2), np.array([1.0, -0.4])
    mixed = np.array([[2.0, 0.5], [-1.0, 30.0]])
    assert imputed_log_odds(steps, features @ mixed, further @ mixed, 0.2) == pytest.approx(
        imputed_log_odds(steps, features, further, 0.2), abs=1e-4)


def test_an_image_unlike_all_others_gets_all_classes():
    loss, features = losses(5)
    steps = loss_steps(loss, 0.2)
    assert imputed_log_odds(steps, features, np.array([1.0, 60.0]), 0.2) == -np.inf
    assert imputed_log_odds(steps, np.c_[features, np.zeros(30)], np.array([1.0, 0.0, 1.0]), 0.2) == -np.inf
    assert threshold_of_log_odds(-np.inf) == 0


def test_shifted_losses_are_the_losses_at_shifted_thresholds():
    loss, features = losses(6, void_images=2)
    log_odds = features @ [0.3, -1.0]
    moved = shifted_loss(loss, log_odds)
    for threshold in (0.01, 0.2, 0.7):
        own = threshold_of_log_odds(logit(threshold) + log_odds)
        expected = [loss.at([one])[index, 0] for index, one in enumerate(own)]
        assert moved.at([threshold])[:, 0] == pytest.approx(expected, nan_ok=True)
    assert (shifted_loss(loss, np.full(30, -100.0)).conformity < 1).all()
    assert np.array_equal(moved.defined, loss.defined)


def test_shifts_do_not_lose_a_pixel_to_rounding():
    conformity = np.random.default_rng(7).random(2000).astype(np.float32).astype(np.float64)
    loss = StepLoss(np.zeros(2000, int), np.sort(conformity), np.full(2000, 1 / 2000), np.array([True]))
    for shift in (-7.3, 0.1, 5.0):
        moved = shifted_loss(loss, np.array([shift]))
        threshold = threshold_of_log_odds(logit(moved.conformity[700]) + shift - ROUNDED_DOWN).astype(np.float32)
        assert (np.sort(conformity).astype(np.float32) >= threshold).sum() >= 1300


def test_binary_losses_learn_a_quantile():
    generator = np.random.default_rng(8)
    difficulty, places = street_images(generator, 400)
    loss = binary_loss(image_table(generator, difficulty), 0.9)
    features = np.c_[np.ones(400), places]
    theta = learned_direction(loss_steps(loss, 0.2), features, 0.2, 1e-6)
    assert loss_steps(loss, 0.2).at(features @ theta).mean() == pytest.approx(0.2, abs=0.02) and theta[1] < -0.5
    flat = learned_direction(loss_steps(loss, 0.2), features, 0.2, 1e3)
    assert abs(flat[1]) < 0.01


@pytest.mark.parametrize('kind', [miscoverage_loss, binary_loss])
def test_the_learned_direction_minimizes_its_objective(kind):
    generator = np.random.default_rng(10)
    difficulty, places = street_images(generator, 100)
    steps, alpha, penalty = loss_steps(kind(image_table(generator, difficulty)), 0.2), 0.2, 0.1
    features = np.c_[np.ones(100), places, generator.normal(size=100)]

    def objective(theta):
        beyond = np.maximum((features @ theta)[steps.image] - steps.place, 0)
        return (steps.weight @ beyond - alpha * (features @ theta).sum()) / 100 + penalty * (theta[1:]**2).sum() / 2

    found = learned_direction(steps, features, alpha, penalty)
    best = minimize(objective, found, method='Nelder-Mead', options=dict(xatol=1e-6, fatol=1e-10))
    assert objective(found) == pytest.approx(best.fun, abs=1e-5)


def test_a_constant_alone_learns_one_threshold():
    loss, _ = losses(11, 50)
    theta = learned_direction(loss_steps(loss, 0.2, None), np.ones((50, 1)), 0.2)
    assert theta.shape == (1, ) and loss.at(threshold_of_log_odds(theta))[:, 0].mean() == pytest.approx(0.2, abs=0.02)


def simulate(draws, method, images=30, alpha=0.2, seed=9):
    """Losses of a further image in each draw, and whether its place is high; plain and adaptive."""
    generator = np.random.default_rng(seed)
    found, high = np.empty((draws, 2)), np.empty(draws, bool)
    for draw in range(draws):
        difficulty, places = street_images(generator, images + 1)
        loss = miscoverage_loss(image_table(generator, difficulty, pixels=15))
        first = np.arange(images + 1) < images
        features = np.c_[np.ones(images + 1), places > 0]
        calibration, last = control_risk(loss, RiskTarget(alpha), first.astype(int)), features[-1]
        own = StepLoss(loss.image[loss.image < images], loss.conformity[loss.image < images],
                       loss.weight[loss.image < images], loss.defined[:-1])
        if method == 'imputed':
            log_odds = imputed_log_odds(loss_steps(own, alpha), features[:-1], last, alpha)
        else:
            learning = first & (np.arange(images + 1) % 2 == 0)
            part = StepLoss(own.image, own.conformity, own.weight, own.defined & learning[:-1])
            theta = learned_direction(loss_steps(part, alpha), features[learning], alpha)
            offset = control_risk(shifted_loss(loss, features @ theta), RiskTarget(alpha), (first & ~learning).astype(int))
            log_odds = logit(offset.threshold) + last @ theta - ROUNDED_DOWN
        thresholds = [calibration.threshold, float(threshold_of_log_odds(log_odds))]
        found[draw] = [loss.at([threshold])[-1, 0] for threshold in thresholds]
        high[draw] = places[-1, 0] > 0
    return found, high


def mean_and_error(values):
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


def test_imputed_thresholds_keep_the_risk_of_every_group_where_one_threshold_does_not():
    found, high = simulate(240, 'imputed')
    for group in (high, ~high, high | True):
        risk, error = mean_and_error(found[group])
        assert risk[1] <= 0.2 + 2 * error[1]
    assert mean_and_error(found[high])[0][0] > 0.2 + 3 * mean_and_error(found[high])[1][0]
    assert mean_and_error(found)[0][1] > 0.2 - 4 / 31


def test_split_thresholds_keep_the_risk_and_bring_groups_closer():
    found, high = simulate(300, 'split')
    risk, error = mean_and_error(found)
    assert (risk <= 0.2 + 2 * error).all() and risk[1] > 0.2 - 2 / 16 - 2 * error[1]
    gaps = [abs(found[high, column].mean() - found[~high, column].mean()) for column in (0, 1)]
    assert gaps[1] < gaps[0] / 2


def test_thresholds_of_log_odds_meet_the_ends():
    assert threshold_of_log_odds(LOWEST) == 0 and threshold_of_log_odds(HIGHEST) == 1
    assert threshold_of_log_odds(logit(0.3)) == pytest.approx(0.3) and expit(HIGHEST) > np.nextafter(np.float32(1), 0)

"""Weighted conformal risk control: brute force, limits, and the promise by simulation."""
import numpy as np
import pytest
from scipy.special import expit

from mmseg_uncertainty.functional.conformal_losses import StepLoss, binary_loss, miscoverage_loss
from mmseg_uncertainty.functional.embedding_axes import embedding_axes
from mmseg_uncertainty.functional.likelihood_ratios import LikelihoodRatio, cross_fitted_weights, fit_likelihood_ratio
from mmseg_uncertainty.functional.risk_control import RiskTarget, control_risk, images_needed
from mmseg_uncertainty.functional.weighted_risk_control import WeightedRisk, effective_sample_size, total_variation
from tests.test_functional.street_losses import image_table, street_images


def brute_force(loss, weights, test_weight, alpha):
    """Largest threshold among all that matter whose weighted risk is small enough."""
    counted = weights * loss.defined
    best = 0.0
    for threshold in [*sorted(set(loss.conformity.tolist())), 1.0]:
        risk = counted @ np.nan_to_num(loss.at([threshold])[:, 0]) + test_weight * loss.bound
        if risk <= alpha * (counted.sum() + test_weight) + 1e-12:
            best = threshold
    return best


@pytest.mark.parametrize('kind', [miscoverage_loss, binary_loss, lambda table: binary_loss(table, 0.7)])
@pytest.mark.parametrize('alpha', [0.05, 0.2, 0.5])
def test_thresholds_are_those_of_a_search_over_all(kind, alpha):
    generator = np.random.default_rng(0)
    difficulty, _ = street_images(generator, 25)
    loss = kind(image_table(generator, difficulty, pixels=9, decimals=2, void_images=2))
    weights = generator.gamma(1.0, 1.0, 25)
    weights[3] = 0
    risk = WeightedRisk.of(loss, weights, alpha)
    test_weights = [0.0, 0.1, 1.0, 3.0, 50.0]
    assert risk.thresholds(test_weights).tolist() == [brute_force(loss, weights, one, alpha) for one in test_weights]


def test_equal_weights_are_plain_risk_control():
    generator = np.random.default_rng(1)
    loss = miscoverage_loss(image_table(generator, street_images(generator, 40)[0], void_images=1))
    for alpha in (0.03, 0.1, 0.4):
        plain = control_risk(loss, RiskTarget(alpha))
        for factor in (1.0, 1e-3, 1e4):
            risk = WeightedRisk.of(loss, np.full(40, factor), alpha)
            assert risk.thresholds(factor) == plain.threshold
            assert risk.num_images == plain.num_images == 39 and risk.effective == pytest.approx(39)
            assert risk.images_needed(factor) == images_needed(RiskTarget(alpha))
            assert risk.risk(plain.threshold) == pytest.approx(plain.empirical_risk)


def test_heavier_images_get_larger_sets_and_too_heavy_ones_all_classes():
    generator = np.random.default_rng(2)
    loss = miscoverage_loss(image_table(generator, street_images(generator, 30)[0]))
    risk = WeightedRisk.of(loss, np.ones(30), 0.1)
    thresholds = risk.thresholds(np.linspace(0, 5, 50))
    assert (np.diff(thresholds) <= 0).all() and thresholds[0] > 0
    assert risk.thresholds(risk.largest_test_weight * 1.001) == 0
    assert risk.images_needed(risk.largest_test_weight * 1.001) == 31


def test_repeated_images_count_as_weights_say():
    generator = np.random.default_rng(3)
    loss = miscoverage_loss(image_table(generator, street_images(generator, 20)[0]))
    counts = generator.integers(0, 4, 20)
    assert WeightedRisk.of(loss, counts, 0.2).thresholds(1.0) == control_risk(loss, RiskTarget(0.2), counts).threshold


def test_what_makes_no_sense_is_refused():
    loss = StepLoss(np.array([0]), np.array([0.5]), np.ones(1), np.array([True]))
    for alpha in (0.0, 1.0, -1):
        with pytest.raises(ValueError, match='must lie strictly between 0 and 1'):
            WeightedRisk.of(loss, np.ones(1), alpha)
    for weights in (np.ones(2), np.array([-1.0]), np.array([np.nan])):
        with pytest.raises(ValueError, match='give one per image, finite and at least 0'):
            WeightedRisk.of(loss, weights, 0.1)


def test_images_of_void_alone_promise_nothing():
    loss = StepLoss(np.empty(0, int), np.empty(0), np.empty(0), np.zeros(3, bool))
    risk = WeightedRisk.of(loss, np.ones(3), 0.1)
    assert risk.thresholds(1.0) == 0 and risk.num_images == 0 and risk.images_needed(1.0) == 0 and np.isnan(risk.risk(0.5))


def test_effective_sample_size():
    weights = np.random.default_rng(4).gamma(0.5, 1.0, 50)
    assert 1 <= effective_sample_size(weights) < 50
    assert effective_sample_size(7 * weights) == pytest.approx(effective_sample_size(weights))
    assert effective_sample_size([]) == effective_sample_size([0, 0]) == 0
    assert total_variation([1, 2], [2, 4]) == 0 and total_variation([1, 0], [0, 3]) == 1


def simulate(draws, weigh, shift=1.5, images=60, alpha=0.2, seed=5):
    """Mean loss of an image of the shifted distribution, plain and weighted, with their standard errors; mean effective size."""
    generator = np.random.default_rng(seed)
    losses, sizes = np.empty((draws, 2)), np.empty(draws)
    for draw in range(draws):
        difficulty, places = street_images(generator, images)
        further, place = street_images(generator, 1, shift)
        loss, tested = (miscoverage_loss(image_table(generator, one, pixels=25)) for one in (difficulty, further))
        weights, weight = weigh(places), weigh(place)[0]
        risk = WeightedRisk.of(loss, weights, alpha)
        sizes[draw] = risk.effective
        for column, threshold in enumerate((control_risk(loss, RiskTarget(alpha)).threshold, float(risk.thresholds(weight)))):
            losses[draw, column] = tested.at([threshold])[0, 0]
    return losses.mean(axis=0), losses.std(axis=0, ddof=1) / np.sqrt(draws), sizes.mean()


def test_weights_keep_the_promise_under_covariate_shift_which_is_broken_without():
    risk, error, effective = simulate(500, lambda places: np.exp(1.5 * places[:, 0] - 1.5**2 / 2))
    assert risk[0] > 0.2 + 5 * error[0]
    assert risk[1] <= 0.2 + 2 * error[1]
    assert 2 < effective < 30


def test_without_a_shift_weighted_risk_is_not_loose():
    risk, error, effective = simulate(300, lambda places: np.ones(len(places)), shift=0.0)
    assert risk[0] == risk[1] <= 0.2 + 2 * error[1] and risk[1] >= 0.2 - 2 / 61 - 2 * error[1]
    assert effective == pytest.approx(60)


def test_wrong_weights_lose_no_more_than_their_distance():
    wrong = LikelihoodRatio(np.array([0.2]), -0.2**2 / 2)
    risk, error, _ = simulate(600, lambda places: wrong.weights(places))
    grid = np.linspace(-8, 10, 4001)
    density = np.exp(-grid**2 / 2)
    distance = total_variation(density * np.exp(0.2 * grid), density * np.exp(1.5 * grid))
    assert 0.2 + 2 * error[1] < risk[1] <= 0.2 + distance


def test_the_classifier_finds_the_ratio_of_two_normal_distributions():
    generator = np.random.default_rng(6)
    source, target = generator.normal(size=(4000, 2)), generator.normal(size=(2000, 2)) + [1.0, 0.0]
    ratio = fit_likelihood_ratio(source, target)
    assert ratio.coefficients == pytest.approx([1.0, 0.0], abs=0.1) and ratio.intercept == pytest.approx(-0.5, abs=0.1)
    assert ratio.weights(source).mean() == pytest.approx(1, abs=0.05)
    assert fit_likelihood_ratio(source, target, largest=2.0).weights(source).max() == pytest.approx(2.0)


def test_the_ratio_does_not_depend_on_units_or_on_axes_without_variance():
    generator = np.random.default_rng(7)
    source, target = generator.normal(size=(60, 3)), generator.normal(size=(50, 3)) + 0.5
    weights = fit_likelihood_ratio(source, target).weights(source)
    for values in (source * [1000, 1, 1e-3] + [5, 0, 2], np.c_[source, np.full(60, 3.0)]):
        other = target * [1000, 1, 1e-3] + [5, 0, 2] if values.shape[1] == 3 else np.c_[target, np.full(50, 3.0)]
        assert fit_likelihood_ratio(values, other).weights(values) == pytest.approx(weights, rel=1e-4)
    constant = fit_likelihood_ratio(np.ones((3, 2)), np.ones((2, 2)))
    assert constant.weights(np.ones((1, 2))) == [1.0]


@pytest.mark.parametrize('apart, axes', [(1e-4, 2), (1e-7, 1), (0.0, 1)])
def test_axes_are_of_unit_variance_and_none_is_a_millionth_of_another(apart, axes):
    first, second = np.random.default_rng(12).normal(size=(2, 100))
    embeddings = np.c_[first, 40 + 7 * (first + apart * second), np.ones(100)]
    found = embedding_axes(embeddings, 3)
    coordinates = found.of(embeddings)
    assert coordinates.T @ coordinates / 100 == pytest.approx(np.eye(axes), abs=1e-6)
    assert coordinates.mean(axis=0) == pytest.approx(np.zeros(axes), abs=1e-6)


def test_the_classifier_minimizes_log_losses_and_half_the_penalized_squares():
    generator = np.random.default_rng(13)
    source, target = 3 * generator.normal(size=(60, 1)), 3 * generator.normal(size=(30, 1)) + 2
    ratio, together = fit_likelihood_ratio(source, target, penalty=20.0), np.concatenate([source, target])[:, 0]
    wrong = expit(np.log(ratio.weights(together[:, None])) + np.log(30 / 60)) - (np.arange(90) >= 60)
    deviation = together.std()
    assert wrong.sum() == pytest.approx(0, abs=1e-4)
    assert wrong @ (together - together.mean()) / deviation == pytest.approx(-20 * ratio.coefficients[0] * deviation, rel=1e-4)


def test_a_strong_penalty_leaves_all_weights_equal():
    generator = np.random.default_rng(8)
    source, target = generator.normal(size=(60, 3)), generator.normal(size=(30, 3)) + 2
    assert fit_likelihood_ratio(source, target, penalty=1e7).weights(source) == pytest.approx(np.ones(60), abs=1e-3)


def test_cross_fitting_does_not_let_an_image_weigh_itself():
    generator = np.random.default_rng(9)
    source, target = generator.normal(size=(80, 20)), generator.normal(size=(80, 20))
    own = fit_likelihood_ratio(source, target, components=20).weights(source)
    crossed, ratio = cross_fitted_weights(source, target, components=20)
    # Both kinds come from one distribution: weights of 1 would be right, and a classifier takes images it has seen for source.
    assert (own > 1).mean() + 0.1 < (crossed > 1).mean() and ratio.coefficients.shape == (20, )
    weights, mean = cross_fitted_weights(source[:60, :1], target[:, :1] + 1)
    assert np.corrcoef(np.log(weights), np.log(mean.weights(source[:60, :1])))[0, 1] > 0.97, 'in the order of the images'
    with pytest.raises(ValueError, match='folds=5 must be at least 2, with twice as many images'):
        cross_fitted_weights(source[:9], target)


@pytest.mark.parametrize('options', [dict(penalty=0), dict(components=0), dict(largest=0)])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match='fit_likelihood_ratio: penalty'):
        fit_likelihood_ratio(np.eye(3), np.eye(3), **options)


@pytest.mark.parametrize('source, target', [(np.eye(3), np.eye(2)), (np.eye(3)[:1], np.eye(3)), (np.ones(3), np.ones(3))])
def test_embeddings_that_do_not_fit_are_refused(source, target):
    with pytest.raises(ValueError, match='embeddings of shapes'):
        fit_likelihood_ratio(source, target)

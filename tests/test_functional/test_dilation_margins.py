"""Dilations of masks: brute force over radii, ranks, ties and the promise by simulation."""
import math

import numpy as np
import pytest
from scipy import ndimage

from mmseg_uncertainty.functional.dilation_margins import (NEVER, STRUCTURES, conformity_of_steps, control_margins, dilated_sets,
                                                           dilation_steps, margin_loss, radius_of_steps, steps_of_threshold,
                                                           tabulate_margins)
from mmseg_uncertainty.functional.risk_control import RiskTarget

ELEMENTS = dict(square=np.ones((3, 3), bool), diamond=ndimage.generate_binary_structure(2, 1))


def maps(seed, images=8, size=(12, 15), classes=3, grain=3):
    """Predicted classes in patches, and labels that are the prediction moved by a few pixels, with some void."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(classes, size=(images, -(-size[0] // grain), -(-size[1] // grain)))
    predicted = np.kron(coarse, np.ones((1, grain, grain), int))[:, :size[0], :size[1]]
    moved = [np.roll(one, generator.integers(-2, 3, 2), (0, 1)) for one in predicted]
    labels = np.stack(moved)
    labels[generator.random(labels.shape) < 0.05] = 255
    return predicted, labels


@pytest.mark.parametrize('structure', STRUCTURES)
def test_steps_are_those_of_repeated_dilation(structure):
    mask = np.random.default_rng(0).random((11, 14)) < 0.03
    steps = dilation_steps(mask, structure)
    rows, columns = np.indices(mask.shape)
    for step in range(12):
        if structure == 'disk':
            near = [(rows - row)**2 + (columns - column)**2 <= step for row, column in np.argwhere(mask)]
            expected = np.any(near, axis=0)
        else:
            expected = mask if step == 0 else ndimage.binary_dilation(mask, ELEMENTS[structure], iterations=step)
        assert np.array_equal(steps <= step, expected)
    assert (dilation_steps(np.zeros((3, 3), bool), structure) == NEVER).all()


def test_steps_and_conformities_are_each_other_s_inverse():
    steps = np.concatenate([np.arange(2000), [2**26, 2**26 + 1]])
    assert np.array_equal(steps_of_threshold(conformity_of_steps(steps)), steps)
    assert (np.diff(conformity_of_steps(steps)) < 0).all() and radius_of_steps(25) == 5


@pytest.mark.parametrize('structure', STRUCTURES)
@pytest.mark.parametrize('coverage', [None, 0.8, 1.0])
def test_losses_are_those_of_the_dilated_masks(structure, coverage):
    predicted, labels = maps(1)
    table = tabulate_margins(predicted, labels, 3, structure)
    for step in (0, 1, 2, 5, 9):
        sets = dilated_sets(predicted, [step] * 3, structure)
        for label in range(3):
            found = margin_loss(table, label, coverage).at([float(conformity_of_steps(step))])[:, 0]
            for index, truth in enumerate(labels == label):
                if not truth.any():
                    assert np.isnan(found[index])
                    continue
                missed = 1 - sets[index, label][truth].mean()
                assert found[index] == pytest.approx(missed if coverage is None else float(1 - missed < coverage - 1e-9))


def test_coverage_with_risk_control_is_the_rank_of_the_dilations_that_images_need():
    predicted, labels = maps(2, images=30)
    table = tabulate_margins(predicted, labels, 3, 'square')
    for alpha, coverage in ((0.1, 0.9), (0.25, 1.0), (0.5, 0.7)):
        steps, results = control_margins(table, RiskTarget(alpha), coverage)
        for label in range(3):
            needed = []
            for prediction, truth in zip(predicted == label, labels == label):
                if truth.any():
                    distances = dilation_steps(prediction, 'square')[truth]
                    distances = np.sort(np.where(distances == NEVER, 10**6, distances))
                    needed.append(distances[math.ceil(coverage * len(distances) - 1e-9) - 1])
            rank = math.ceil((len(needed) + 1) * (1 - alpha) - 1e-9)
            assert results[label].num_images == len(needed)
            assert steps[label] == np.sort(needed)[rank - 1]


def test_too_few_images_and_classes_never_predicted_get_an_infinite_margin():
    predicted, labels = maps(3, images=8)
    steps, results = control_margins(tabulate_margins(predicted, labels, 4), RiskTarget(0.1), 0.9)
    assert np.isinf(steps).all() and not any(result.feasible for result in results)
    assert results[0].images_needed == 9 and results[3].num_images == 0
    predicted, labels = maps(4, images=20)
    predicted[predicted == 2] = 1
    steps, results = control_margins(tabulate_margins(predicted, labels, 3), RiskTarget(0.1), 0.9)
    assert np.isinf(steps[2]) and results[2].feasible and np.isfinite(steps[:2]).all()


def test_sets_hold_the_prediction_and_grow_with_the_margin():
    predicted, _ = maps(5)
    before = np.zeros(1, bool)
    for step in (0, 1, 4, np.inf):
        sets = dilated_sets(predicted, [step] * 3)
        assert np.take_along_axis(sets, predicted[:, None], 1).all() and (sets | ~before).all()
        before = sets
    assert sets.all()
    assert np.array_equal(dilated_sets(predicted, [0, 0, 0]), predicted[:, None] == np.arange(3)[:, None, None])


def test_images_of_void_alone_count_for_nothing():
    predicted, labels = maps(6, images=12)
    labels[:3] = 255
    table = tabulate_margins(predicted, labels, 3)
    assert control_margins(table, RiskTarget(0.3))[1][0].num_images == (labels == 0).any((1, 2)).sum()
    assert np.isnan(margin_loss(table, 0).at([0.5])[:3]).all()
    empty = tabulate_margins(predicted[:3], labels[:3], 3)
    assert np.isinf(control_margins(empty, RiskTarget(0.3))[0]).all()


def test_what_does_not_fit_is_refused():
    predicted, labels = maps(7)
    with pytest.raises(ValueError, match='at one size'):
        tabulate_margins(predicted[:, :5], labels, 3)
    with pytest.raises(ValueError, match="structure='ball' is unknown"):
        tabulate_margins(predicted, labels, 3, 'ball')
    with pytest.raises(ValueError, match='alpha=1.5 must lie strictly between'):
        control_margins(tabulate_margins(predicted, labels, 3), RiskTarget(1.5))


def test_masks_of_further_images_are_covered_as_promised():
    generator, draws, images, alpha = np.random.default_rng(8), 150, 19, 0.2
    hits, shares = np.empty(draws), np.empty(draws)
    for draw in range(draws):
        # Bars whose truth is longer than the prediction by a random number of pixels.
        lengths = generator.geometric(0.2, images + 1)
        predicted = (np.arange(60) < 20).astype(int)[None, None].repeat(images + 1, 0)
        labels = (np.arange(60) < 20 + np.minimum(lengths, 40)[:, None])[:, None].astype(int)
        table = tabulate_margins(predicted[:-1], labels[:-1], 2, 'square')
        for kept, coverage in ((hits, 0.9), (shares, None)):
            steps = control_margins(table, RiskTarget(alpha if coverage else 0.1), coverage)[0]
            covered = dilated_sets(predicted[-1:], steps, 'square')[0, 1][labels[-1] == 1].mean()
            kept[draw] = covered < 0.9 if coverage else 1 - covered
    error = np.sqrt(alpha * (1 - alpha) / draws)
    assert hits.mean() <= alpha + 2 * error and hits.mean() >= alpha - 1 / 20 - 0.1
    assert shares.mean() <= 0.1 + 2 * shares.std() / np.sqrt(draws)

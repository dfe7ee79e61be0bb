"""The promises kept, by simulation over many random splits of exchangeable images."""
import numpy as np
import pytest
import torch

from mmseg_uncertainty.functional.conformal_losses import binary_loss, class_miss_loss, miscoverage_loss, tabulate
from mmseg_uncertainty.functional.risk_control import RiskTarget, control_risk

NUM_SPLITS = 1000
NUM_IMAGES, NUM_CALIBRATION = 120, 50


def exchangeable_table(shift=0.0):
    generator = np.random.default_rng(11)
    difficulty = generator.gamma(2.0, 0.6, (NUM_IMAGES, 1)) + shift
    conformity = generator.random((NUM_IMAGES, 60))**difficulty
    labels = generator.choice(3, p=[0.6, 0.35, 0.05], size=conformity.shape)
    return tabulate(torch.from_numpy(conformity), torch.from_numpy(labels), 3)


LOSSES = dict(
    miscoverage=miscoverage_loss,
    weighted=lambda table: miscoverage_loss(table, [1.0, 2.0, 5.0]),
    class_miss=lambda table: class_miss_loss(table, 1),
    binary=lambda table: binary_loss(table, 0.8),
    plain_binary=binary_loss)


def split_masks(num_images=NUM_IMAGES):
    generator = np.random.default_rng(7)
    for _ in range(NUM_SPLITS):
        mask = np.zeros(num_images, dtype=bool)
        mask[generator.permutation(num_images)[:NUM_CALIBRATION]] = True
        yield mask


def risks_of_splits(loss, target, test_loss=None):
    """Mean loss over the images that did not calibrate, one number per split."""
    tested = test_loss or loss
    thresholds, masks = [], list(split_masks())
    for mask in masks:
        thresholds.append(control_risk(loss, target, mask).threshold)
    losses = tested.at(thresholds)
    return np.array([np.nanmean(losses[~mask, column]) for column, mask in enumerate(masks)])


@pytest.mark.parametrize('name', LOSSES)
@pytest.mark.parametrize('alpha', [0.1, 0.3])
def test_conformal_risk_control_keeps_the_expected_risk(name, alpha):
    loss = LOSSES[name](exchangeable_table())
    risks = risks_of_splits(loss, RiskTarget(alpha))
    error = risks.std(ddof=1) / np.sqrt(NUM_SPLITS)
    assert risks.mean() <= alpha + 2 * error
    if 'binary' not in name:
        assert risks.mean() >= alpha - 2 / (NUM_CALIBRATION + 1)


@pytest.mark.parametrize('control', ['rcps', 'ltt'])
@pytest.mark.parametrize('name', ['miscoverage', 'binary'])
def test_high_probability_control_fails_rarely(control, name):
    target = RiskTarget(0.3, control, delta=0.2)
    loss = LOSSES[name](exchangeable_table())
    generator = np.random.default_rng(3)
    draws = generator.multinomial(NUM_CALIBRATION, np.full(NUM_IMAGES, 1 / NUM_IMAGES), size=NUM_SPLITS)
    thresholds = [control_risk(loss, target, repeats).threshold for repeats in draws]
    violated = loss.at(thresholds).mean(axis=0) > target.alpha
    assert violated.mean() <= target.delta
    assert np.ptp(thresholds) > 0


def test_a_shifted_test_set_loses_the_promise():
    loss, shifted = (miscoverage_loss(exchangeable_table(shift)) for shift in (0.0, 1.0))
    risks = risks_of_splits(loss, RiskTarget(0.1), shifted)
    assert risks.mean() > 0.15

"""The promises kept, by simulation over many random splits of exchangeable images."""
import numpy as np
import pytest
import torch

from mmseg_uncertainty.functional.conformal_losses import binary_loss, class_miss_loss, miscoverage_loss, tabulate
from mmseg_uncertainty.functional.risk_control import RiskTarget, control_classes, control_risk

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


def rare_class_table():
    """Two common classes, and one that few images hold and that is missed more often."""
    generator = np.random.default_rng(5)
    labels = generator.integers(2, size=(NUM_IMAGES, 60))
    labels[::6, :6] = 2
    conformity = generator.random(labels.shape)**np.where(labels == 2, 6.0, generator.gamma(2.0, 0.6, (NUM_IMAGES, 1)))
    return tabulate(torch.from_numpy(conformity), torch.from_numpy(labels), 3)


def class_risks(fallback):
    """Mean false-negative rate of each class over the images left over, and of all pixels; and how often each fell back."""
    table, target = rare_class_table(), RiskTarget(0.1)
    losses = [class_miss_loss(table, label) for label in range(3)]
    risks, fallbacks = [], []
    for mask in list(split_masks())[:300]:
        thresholds, _, fell_back = control_classes(table, target, mask, fallback)
        by_class = [np.nanmean(loss.at([threshold])[~mask]) for loss, threshold in zip(losses, thresholds)]
        missed = np.stack([np.nan_to_num(loss.at([threshold])[:, 0]) for loss, threshold in zip(losses, thresholds)], axis=1)
        everything = (missed * table.pixels).sum(axis=1) / table.pixels.sum(axis=1)
        risks.append([*by_class, everything[~mask].mean()])
        fallbacks.append(fell_back)
    risks = np.array(risks)
    return risks.mean(axis=0), risks.std(axis=0) / np.sqrt(len(risks)), np.mean(fallbacks, axis=0)


def test_every_class_keeps_its_promise_even_one_that_falls_back():
    risk, error, fell_back = class_risks('contain')
    assert fell_back[:2].max() == 0 and 0.3 < fell_back[2] < 0.8
    assert (risk[:3] <= 0.1 + 2 * error[:3]).all() and (risk[:2] >= 0.08).all()


def test_a_class_at_the_threshold_of_all_pixels_has_no_promise():
    risk, error, _ = class_risks('pixels')
    assert risk[2] > 0.2 + 2 * error[2]

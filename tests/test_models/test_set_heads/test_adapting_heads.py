"""Sets that follow a shift, an embedding of the image, or masks alone: as the mathematics says, from the checkpoint too."""
import numpy as np
import pytest
import torch
from scipy.special import logit
from scipy.stats import sem

from mmseg_uncertainty.functional.adaptive_thresholds import (imputed_log_odds, learned_direction, loss_steps, shifted_loss,
                                                              threshold_of_log_odds)
from mmseg_uncertainty.functional.conformal_losses import image_loss, select_images
from mmseg_uncertainty.functional.dilation_margins import control_margins, dilated_sets, tabulate_margins
from mmseg_uncertainty.functional.likelihood_ratios import fit_likelihood_ratio
from mmseg_uncertainty.functional.prediction_sets import SetFamily
from mmseg_uncertainty.functional.risk_control import RiskTarget, control_risk
from mmseg_uncertainty.functional.weighted_risk_control import WeightedRisk
from mmseg_uncertainty.models.set_heads import (AdaptiveRiskControlHead, DilationSetHead, WeightedRiskControlHead,
                                                adaptive_risk_control_head, curve_set_head, dilation_set_head, set_head,
                                                weighted_risk_control_head)
from mmseg_uncertainty.runtime.tiles import Window
from mmseg_uncertainty.structures import FrozenOutputs, Place

NUM_CLASSES = 3
PARTS = ('confidence', 'brightness')


def batch(count, seed=0, shift=0.0, size=(6, 8)):
    """Outputs whose logits are flatter where the image is bright, labels drawn from them, and metas with places."""
    generator = torch.Generator().manual_seed(seed)
    brightness = torch.randn(count, 1, 1, 1, generator=generator) + shift
    images = brightness + 0.3 * torch.randn(count, 3, *size, generator=generator)
    logits = (2 - brightness.clamp(-1.5, 1.5)) * torch.randn(count, NUM_CLASSES, *size, generator=generator)
    flat = (logits / 1.5).softmax(1).movedim(1, -1).reshape(-1, NUM_CLASSES)
    labels = torch.multinomial(flat, 1, generator=generator).view(count, *size)
    labels[torch.rand(labels.shape, generator=generator) < 0.1] = 255
    metas = [dict(img_path=f'{seed}_{index}.png', calibration_position=(index + 0.5) / count) for index in range(count)]
    return FrozenOutputs(logits, logits, images=images), labels, metas


def part(outputs, start, stop):
    return FrozenOutputs(outputs.logits[start:stop], outputs.logits[start:stop], images=outputs.images[start:stop])


def fit(head, data, target=None, batch_size=7):
    outputs, labels, metas = data
    head.start_stage(0)
    for start in range(0, len(labels), batch_size):
        own = slice(start, start + batch_size)
        head.update(part(outputs, start, start + batch_size), labels[own], metas[own])
    head.merge_ranks()
    head.finish_stage(0)
    if target is not None:
        head.start_target()
        for start in range(0, len(target.logits), batch_size):
            head.update_target(part(target, start, start + batch_size))
        head.finish_target()
    return head


def copied(head, fresh):
    fresh.load_state_dict(head.state_dict())
    return fresh


def sets_of(head, outputs):
    probabilities = head.probabilities(outputs.logits)
    return head(probabilities, None, None, head.embed(outputs, probabilities))


@pytest.fixture
def log(monkeypatch):
    """Everything that heads log."""
    messages = []
    for module in (set_head, curve_set_head, adaptive_risk_control_head, weighted_risk_control_head, dilation_set_head):
        if hasattr(module, 'print_log'):
            monkeypatch.setattr(module, 'print_log', lambda message, *_: messages.append(message))
    return messages


def weighted(**options):
    return WeightedRiskControlHead(NUM_CLASSES, [dict(alpha=0.2)], embedding=PARTS, **options)


def test_weighted_thresholds_are_those_of_the_mathematics_and_of_the_checkpoint():
    target, _, _ = batch(30, seed=1, shift=0.8)
    head = fit(weighted(), batch(60), target)
    values, table = head.kept.array('values'), head.kept_table()
    ratio = fit_likelihood_ratio(values[:18], head.embed(target, target.logits.softmax(1)).numpy(), largest=20.0)
    risk = WeightedRisk.of(image_loss(select_images(table, np.arange(18, 60))), ratio.weights(values[18:]), 0.2)
    further, _, _ = batch(5, seed=2, shift=0.8)
    embedding = head.embed(further, further.logits.softmax(1)).numpy()
    expected = risk.thresholds(ratio.weights(embedding))
    assert head.image_thresholds(embedding) == pytest.approx(expected) and len(set(expected)) > 1
    assert head.effective == pytest.approx(risk.effective) and head.effective < 42 and head.feasible
    assert np.isnan(head.weights).sum() == 18
    for index, threshold in enumerate(expected):
        one = further.logits[index:index + 1].softmax(1)
        assert torch.equal(sets_of(head, further)[index:index + 1], SetFamily().sets(one, threshold))
    assert torch.equal(sets_of(copied(head, weighted()), further), sets_of(head, further))


@pytest.mark.parametrize('way', ['disjoint', 'crossed'])
def test_other_targets_and_promises_need_no_calibration_image(way):
    first, second = batch(40, seed=1, shift=0.8)[0], batch(40, seed=2, shift=-0.8)[0]
    head = copied(fit(weighted(weights=way), batch(60), first), weighted(weights=way))
    head.reweight(head.embed(second, second.logits.softmax(1)).numpy())
    fresh = fit(weighted(weights=way), batch(60), second)
    assert torch.equal(sets_of(head, second), sets_of(fresh, second)) and head.effective == fresh.effective
    head.recalibrate(risks=[dict(alpha=0.4)])
    assert (head.image_thresholds(head.kept.array('target')) >= fresh.image_thresholds(fresh.kept.array('target'))).all()
    with pytest.raises(RuntimeError, match='has seen no images from where the model will be used'):
        weighted(weights=way).recalibrate(risks=[dict(alpha=0.4)])


def test_targets_like_the_calibration_cost_little_and_others_are_said_to_cost_all(log):
    near = fit(weighted(penalty=30.0), batch(60), batch(60, seed=1)[0])
    assert near.effective > 36 and any('42 images count as' in line and 'mean weight 1.' in line or 'mean weight 0.9' in line
                                       for line in log)
    far = batch(30, seed=3, shift=9.0)[0]
    head = fit(weighted(penalty=0.01), batch(60), far)
    assert not head.feasible and sets_of(head, far).all()
    assert np.nanmean(head.weights) < 0.1 and any('share no images' in line for line in log)
    assert any('42 images like these are too few for a target image of median weight, which needs at least' in line for line in log)


def test_one_image_with_a_label_is_reported_by_its_own_weight(log):
    outputs, labels, metas = batch(60)
    labels[np.arange(60) != 30] = 255
    head = fit(weighted(), (outputs, labels, metas), batch(30, seed=1, shift=0.8)[0])
    assert any(f'1 images count as 1.0 of equal weight, mean weight {head.weights[30]:.3g};' in line for line in log)


def test_weights_need_targets_and_calibration_images():
    head = fit(weighted(), batch(60))
    assert not head.is_fitted()
    with pytest.raises(RuntimeError, match='no thresholds yet'):
        sets_of(head, batch(1)[0])
    with pytest.raises(ValueError, match='0 target images; give at least 4'):
        head.reweight()
    with pytest.raises(ValueError, match='2 calibration images for the classifier'):
        fit(weighted(share=0.05), batch(40), batch(10)[0])
    with pytest.raises(RuntimeError, match='no curves'):
        weighted().reweight(np.ones((5, 9)))


def test_imputed_thresholds_are_those_of_the_linear_program_and_of_the_checkpoint():
    head = fit(AdaptiveRiskControlHead(NUM_CLASSES, [dict(alpha=0.2)]), batch(60))
    further, _, _ = batch(4, seed=2)
    embedding = head.embed(further, further.logits.softmax(1)).numpy()
    steps = loss_steps(image_loss(head.kept_table()), 0.2)
    features = np.c_[np.ones(60), head.kept.array('values')]
    expected = threshold_of_log_odds([imputed_log_odds(steps, features, np.append(1, one), 0.2) for one in embedding])
    assert head.image_thresholds(embedding) == pytest.approx(expected, rel=1e-4) and len(set(expected)) == 4
    other = copied(head, AdaptiveRiskControlHead(NUM_CLASSES, [dict(alpha=0.2)]))
    assert torch.equal(sets_of(other, further), sets_of(head, further)) and other.feasible
    assert head.shares == {} and not head.reduces


def test_split_thresholds_are_learned_on_one_part_and_controlled_on_the_other():
    options = dict(method='split', embedding=PARTS, components=2)
    head = fit(AdaptiveRiskControlHead(NUM_CLASSES, [dict(alpha=0.2)], **options), batch(80))
    values, table = head.kept.array('values'), head.kept_table()
    assert head.part('embedding').tolist() == list(range(32)) and head.part('risk').tolist() == list(range(32, 80))
    log_odds = logit(head.image_thresholds(values))
    loss = image_loss(table)
    moved = control_risk(shifted_loss(loss, log_odds), RiskTarget(0.2), (np.arange(80) >= 32).astype(int))
    assert moved.threshold == pytest.approx(0.5, abs=1e-4)
    other = copied(head, AdaptiveRiskControlHead(NUM_CLASSES, [dict(alpha=0.2)], **options))
    assert torch.equal(sets_of(other, batch(3, seed=5)[0]), sets_of(head, batch(3, seed=5)[0]))
    groups = head.group_risks(2)
    assert sum(group['images'] for group in groups) == 48
    assert np.average([group['risk'] for group in groups]) == pytest.approx(moved.empirical_risk, abs=0.01)
    own = [loss.at([threshold])[index, 0] for index, threshold in enumerate(head.image_thresholds(values))][32:]
    assert head.group_risks(1) == [dict(images=48, risk=pytest.approx(np.mean(own)), error=pytest.approx(sem(own)))]


@pytest.mark.parametrize('options, expected', [
    (dict(), {}), (dict(embedding=PARTS), dict(embedding=0.4, risk=0.6)), (dict(embedding=PARTS, components=9), {}),
    (dict(method='split'), dict(embedding=0.4, risk=0.6)), (dict(embedding=('features', )), dict(embedding=0.4, risk=0.6))])
def test_images_are_divided_where_something_is_learned_from_them(options, expected):
    assert dict(AdaptiveRiskControlHead(NUM_CLASSES, **options).shares) == pytest.approx(expected)


def test_too_few_images_say_how_many_would_do(log):
    head = fit(AdaptiveRiskControlHead(NUM_CLASSES, [dict(alpha=0.05)]), batch(10))
    assert not head.feasible and sets_of(head, batch(2, seed=9)[0]).all()
    assert any('10 images are too few for this promise, which needs at least 19' in line for line in log)
    split = fit(AdaptiveRiskControlHead(NUM_CLASSES, [dict(alpha=0.05)], method='split'), batch(20))
    assert not split.feasible and sets_of(split, batch(2, seed=9)[0]).all()
    assert any('12 images are too few' in line for line in log)
    split.recalibrate(risks=[dict(alpha=0.3)])
    assert split.feasible and not sets_of(split, batch(2, seed=9)[0]).all()


def test_images_of_void_alone_are_left_out_and_counted(log):
    outputs, labels, metas = batch(40)
    labels[5:8] = 255
    head = fit(AdaptiveRiskControlHead(NUM_CLASSES, [dict(alpha=0.2)]), (outputs, labels, metas))
    assert any('3 of 40 images hold void only and are left out' in line for line in log)
    rest = [index for index in range(40) if not 5 <= index < 8]
    alone = FrozenOutputs(outputs.logits[rest], outputs.logits[rest], images=outputs.images[rest])
    other = fit(AdaptiveRiskControlHead(NUM_CLASSES, [dict(alpha=0.2)]), (alone, labels[rest], [metas[index] for index in rest]))
    further = batch(3, seed=4)[0]
    assert torch.equal(sets_of(head, further), sets_of(other, further))


def test_margins_are_those_of_the_mathematics_and_of_the_checkpoint(log):
    outputs, labels, metas = batch(40, size=(12, 16))
    predicted = outputs.logits.argmax(1)
    head = fit(DilationSetHead(NUM_CLASSES, alpha=0.2, coverage=0.9), (outputs, labels, metas))
    table = tabulate_margins(predicted.numpy(), labels.numpy(), NUM_CLASSES)
    steps, _ = control_margins(table, RiskTarget(0.2), 0.9)
    assert np.array_equal(head.steps.numpy(), steps) and head.radii.numpy()**2 == pytest.approx(steps)
    assert head.feasible.all()
    other = copied(head, DilationSetHead(NUM_CLASSES, alpha=0.2, coverage=0.9))
    sets = other(outputs.logits.softmax(1))
    assert np.array_equal(sets.numpy(), dilated_sets(predicted.numpy(), steps))
    one_hot = torch.nn.functional.one_hot(predicted, NUM_CLASSES).movedim(-1, 1).double()
    assert torch.equal(other(one_hot), sets) and torch.equal(other(one_hot, predicted), sets)
    other.recalibrate(alpha=0.1, coverage=None)
    assert np.array_equal(other.steps.numpy(), control_margins(table, RiskTarget(0.1))[0])
    half = np.arange(40) < 8
    other.recalibrate(half, alpha=0.1)
    assert other.steps.isinf().all() and any('8 images that show it are too few' in line for line in log)


def test_sets_of_the_whole_image_are_not_those_of_a_tile():
    tile = Place(Window(0, 6, 0, 8), (12, 8))
    heads = [fit(DilationSetHead(NUM_CLASSES, alpha=0.3), batch(20)), fit(AdaptiveRiskControlHead(NUM_CLASSES), batch(20))]
    probabilities = batch(1)[0].logits.softmax(1)
    for head in heads:
        with pytest.raises(ValueError, match='tile|part of one'):
            head(probabilities, None, tile)


@pytest.mark.parametrize('build', [WeightedRiskControlHead, AdaptiveRiskControlHead])
def test_the_nominal_coverage_is_that_of_the_promise(build):
    assert build(NUM_CLASSES).nominal_coverage() == pytest.approx(0.9)
    assert build(NUM_CLASSES, [dict(alpha=0.3)]).nominal_coverage() == pytest.approx(0.7)
    assert build(NUM_CLASSES, [dict(loss='binary', alpha=0.3, coverage=0.6)]).nominal_coverage() == 0.6
    assert DilationSetHead(NUM_CLASSES, coverage=None).nominal_coverage() == pytest.approx(0.9)
    assert DilationSetHead(NUM_CLASSES, alpha=0.3, coverage=0.6).nominal_coverage() == 0.6


def test_an_embedding_is_what_numpy_says_of_the_pixels():
    outputs, _, _ = batch(3)
    probabilities = outputs.logits.softmax(1)
    doubts, images = 1 - probabilities.double().numpy().max(axis=1).reshape(3, -1), outputs.images.double().numpy()
    logarithms = np.log(np.maximum(doubts, 1e-4)).mean(axis=1)
    expected = np.c_[doubts.mean(axis=1), doubts.std(axis=1), logarithms, images.mean(axis=(2, 3)), images.std(axis=(2, 3))]
    assert weighted().embed(outputs, probabilities).numpy() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('make, message', [
    (lambda: weighted(share=1.0), 'share=1.0 lie in'), (lambda: weighted(weights='all'), "weights='all' must be one of"),
    (lambda: weighted(penalty=0), 'penalty=0 and'), (lambda: WeightedRiskControlHead(3, []), 'risks is empty'),
    (lambda: WeightedRiskControlHead(3, [dict(alpha=1.0)]), 'alpha=1.0 must lie strictly'),
    (lambda: AdaptiveRiskControlHead(3, method='guess'), "method='guess' must be one of"),
    (lambda: AdaptiveRiskControlHead(3, control='rcps'), "control='rcps' be 'crc' unless"),
    (lambda: AdaptiveRiskControlHead(3, [dict(alpha=0.1)] * 2), '2 risks; give exactly one'),
    (lambda: AdaptiveRiskControlHead(3, [dict(alpha=0)]), 'alpha=0 must lie strictly'),
    (lambda: AdaptiveRiskControlHead(3, components=0), 'components=0 and'),
    (lambda: AdaptiveRiskControlHead(3, embedding=('colour', )), 'expected some of'),
    (lambda: DilationSetHead(3, alpha=0), 'alpha=0 must lie strictly'),
    (lambda: DilationSetHead(3, coverage=0), 'coverage=0 must lie'),
    (lambda: DilationSetHead(3, structure='ball'), "structure='ball' is unknown")])
def test_options_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_sets_without_an_embedding_or_with_one_of_another_kind_are_refused():
    head = fit(AdaptiveRiskControlHead(NUM_CLASSES), batch(20))
    with pytest.raises(ValueError, match='without its embedding'):
        head(batch(1)[0].logits.softmax(1))
    bare = AdaptiveRiskControlHead(NUM_CLASSES, embedding=('brightness', ))
    logits = batch(1)[0].logits
    with pytest.raises(ValueError, match="'brightness' reads the image"):
        bare.embed(FrozenOutputs(logits, logits), logits.softmax(1))


def test_learned_directions_take_the_embedding_into_account():
    head = fit(AdaptiveRiskControlHead(NUM_CLASSES, [dict(alpha=0.2)], method='split', embedding=('brightness', )), batch(80))
    thresholds = head.image_thresholds(head.kept.array('values'))
    loss = image_loss(head.kept_table())
    steps = loss_steps(image_loss(select_images(head.kept_table(), head.part('embedding'))), 0.2)
    assert np.ptp(logit(thresholds)) > 0.3 and learned_direction(steps, np.ones((32, 1)), 0.2).shape == (1, )
    own = np.array([loss.at([threshold])[index, 0] for index, threshold in enumerate(thresholds)])
    assert own.mean() == pytest.approx(0.2, abs=0.08)

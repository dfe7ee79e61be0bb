import numpy as np
import pytest
import torch

from mmseg_uncertainty.functional.conformal_losses import image_loss, tabulate
from mmseg_uncertainty.functional.prediction_sets import SetFamily
from mmseg_uncertainty.functional.risk_control import RiskTarget, control_risk
from mmseg_uncertainty.models.set_heads import ConformalRiskControlHead, curve_set_head, set_head
from mmseg_uncertainty.structures import FrozenOutputs

NUM_CLASSES = 4


def batch(num_images, seed=0, size=(6, 7)):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(num_images, NUM_CLASSES, *size, generator=generator)
    flat = logits.softmax(1).movedim(1, -1).reshape(-1, NUM_CLASSES)
    labels = torch.multinomial(flat, 1, generator=generator).view(num_images, *size)
    labels[torch.rand(labels.shape, generator=generator) < 0.1] = 255
    return logits, labels


def fit(head, logits, labels, batch_size=8):
    head.start_stage(0)
    for start in range(0, len(logits), batch_size):
        part = slice(start, start + batch_size)
        head.update(FrozenOutputs(logits[part], logits[part], None), labels[part], [{}] * len(labels[part]))
    head.merge_ranks()
    head.finish_stage(0)
    return head


@pytest.fixture
def log(monkeypatch):
    """Everything that heads log."""
    messages = []
    for module in (set_head, curve_set_head):
        monkeypatch.setattr(module, 'print_log', lambda message, *_: messages.append(message))
    return messages


def direct_threshold(logits, labels, target, family=None, **loss):
    conformity = (family or SetFamily()).label_conformity(logits.softmax(1), labels.masked_fill(labels == 255, 0))
    return control_risk(image_loss(tabulate(conformity, labels, NUM_CLASSES), **loss), target).threshold


@pytest.mark.parametrize('kind', ['lac', 'aps', 'raps'])
@pytest.mark.parametrize('loss', [dict(), dict(loss='binary', coverage=0.9), dict(class_weights=[1, 2, 3, 4])])
def test_the_threshold_is_that_of_the_functional_calibration(kind, loss):
    logits, labels = batch(40)
    head = fit(ConformalRiskControlHead(NUM_CLASSES, [dict(alpha=0.2, **loss)], family=dict(kind=kind)), logits, labels)
    expected = direct_threshold(logits, labels, RiskTarget(0.2), SetFamily(kind), **loss)
    assert head.thresholds.tolist() == [expected] * NUM_CLASSES and head.feasible
    probabilities = logits[:2].softmax(1)
    assert torch.equal(head(probabilities), SetFamily(kind).sets(probabilities, expected))


def test_calibrated_sets_meet_the_bound_on_the_calibration_images():
    logits, labels = batch(60, seed=1)
    head = fit(ConformalRiskControlHead(NUM_CLASSES, [dict(alpha=0.15)]), logits, labels)
    covered = head(logits.softmax(1)).gather(1, labels.masked_fill(labels == 255, 0).unsqueeze(1))[:, 0]
    valid = labels != 255
    risk = 1 - ((covered & valid).sum((1, 2)) / valid.sum((1, 2))).double().mean()
    assert risk <= 0.15 - 0.85 / 60 + 1e-6
    assert risk >= 0.15 - 2 / 61


def test_batches_do_not_matter():
    logits, labels = batch(30, seed=2)
    heads = [fit(ConformalRiskControlHead(NUM_CLASSES), logits, labels, size) for size in (1, 7, 30)]
    assert len({head.thresholds[0].item() for head in heads}) == 1


def test_a_loaded_head_makes_any_other_promise_without_the_images():
    logits, labels = batch(40, seed=3)
    state = fit(ConformalRiskControlHead(NUM_CLASSES), logits, labels).state_dict()
    head = ConformalRiskControlHead(NUM_CLASSES)
    head.load_state_dict(state)
    for risks, control in (([dict(loss='binary', coverage=0.8, alpha=0.1)], 'crc'), ([dict(alpha=0.3)], 'rcps')):
        head.recalibrate(risks=risks, control=control)
        fresh = fit(ConformalRiskControlHead(NUM_CLASSES, risks, control), logits, labels)
        assert torch.equal(head.thresholds, fresh.thresholds)
    half = np.arange(40) < 20
    head.recalibrate(half, risks=[dict(alpha=0.2)])
    assert head.thresholds[0] == direct_threshold(logits[:20], labels[:20], RiskTarget(0.2))


def test_fewer_bits_keep_less_and_never_shrink_sets():
    logits, labels = batch(40, seed=4)
    exact, coarse = (fit(ConformalRiskControlHead(NUM_CLASSES, mantissa_bits=bits), logits, labels) for bits in (23, 3))
    assert len(coarse.curves.label) < len(exact.curves.label) == coarse.curves.count.sum()
    assert exact.thresholds[0] * (1 - 2**-3) <= coarse.thresholds[0] <= exact.thresholds[0]


def test_several_risks_take_the_largest_set():
    logits, labels = batch(50, seed=5)
    risks = [dict(alpha=0.3), dict(loss='class_miss', label=2, alpha=0.1)]
    alone = [fit(ConformalRiskControlHead(NUM_CLASSES, [risk]), logits, labels).thresholds[0] for risk in risks]
    assert fit(ConformalRiskControlHead(NUM_CLASSES, risks), logits, labels).thresholds[0] == min(alone)


def test_a_class_that_is_rare_is_in_every_set_or_has_no_promise(log):
    logits, labels = batch(40, seed=6)
    labels[3:][labels[3:] == 1] = 255
    head = fit(ConformalRiskControlHead(NUM_CLASSES, [dict(alpha=0.1)], class_conditional=True), logits, labels)
    assert head.fell_back.tolist() == [False, True, False, False] and not head.feasible
    sets = head(logits.softmax(1))
    assert sets[:, 1].all() and not sets.all()
    assert any('class 1' in line and '3 images are too few for this promise, which needs at least 9' in line
               and 'every set contains the class' in line for line in log)
    head.recalibrate(risks=[dict(alpha=0.1)], class_conditional=True, fallback='pixels')
    assert head.fell_back.tolist() == [False, True, False, False] and not head.feasible
    assert head.thresholds[1] == direct_threshold(logits, labels, RiskTarget(0.1))
    assert any('nothing is promised for this class' in line for line in log)
    with pytest.raises(ValueError, match="fallback='hope' is unknown"):
        head.promise([dict(alpha=0.1)], fallback='hope')


def test_recalibration_by_class_counts_the_images_as_told():
    logits, labels = batch(40, seed=10)
    head = fit(ConformalRiskControlHead(NUM_CLASSES, [dict(alpha=0.2)], class_conditional=True), logits, labels)
    everything = head.thresholds.clone()
    half = np.arange(40) < 20
    head.recalibrate(half)
    alone = fit(ConformalRiskControlHead(NUM_CLASSES, [dict(alpha=0.2)], class_conditional=True), logits[:20], labels[:20])
    assert torch.equal(head.thresholds, alone.thresholds) and not torch.equal(head.thresholds, everything)


def test_broken_probabilities_are_refused_in_fit_and_prediction():
    logits, labels = batch(20)
    head = fit(ConformalRiskControlHead(NUM_CLASSES), logits, labels)
    spoiled = logits.clone()
    spoiled[5, 2, 1, 1] = torch.nan
    labels[5, 1, 1] = 255
    with pytest.raises(ValueError, match='probabilities of image 5 of this batch are NaN'):
        fit(ConformalRiskControlHead(NUM_CLASSES), spoiled, labels)
    with pytest.raises(ValueError, match='probabilities of image 1 of this batch are NaN'):
        head(spoiled[4:7].softmax(1))


def test_an_image_counts_once():
    logits, labels = batch(4)
    head = ConformalRiskControlHead(NUM_CLASSES)
    head.start_stage(0)
    metas = [dict(img_path=f'{index}.png') for index in range(4)]
    head.update(FrozenOutputs(logits, logits, None), labels, metas)
    with pytest.raises(ValueError, match=r'come more than once: 2.png \(2 times\)'):
        head.update(FrozenOutputs(logits[2:3], logits, None), labels[2:3], metas[2:3])
    head.start_stage(0)
    with pytest.raises(ValueError, match=r'0.png \(4 times\). Each would count as several'):
        head.update(FrozenOutputs(logits, logits, None), labels, metas[:1] * 4)
    head.start_stage(0)
    head.update(FrozenOutputs(logits, logits, None), labels, metas)
    head.merge_ranks()


def test_an_image_of_two_processes_is_found(monkeypatch):
    logits, labels = batch(2)
    monkeypatch.setattr(set_head, 'all_gather_object', lambda images: [images, {'1.png'}])
    head = ConformalRiskControlHead(NUM_CLASSES)
    head.start_stage(0)
    head.update(FrozenOutputs(logits, logits, None), labels, [dict(img_path=f'{index}.png') for index in range(2)])
    with pytest.raises(ValueError, match='1.png'):
        head.merge_ranks()


def test_a_promise_that_only_all_classes_keep_is_said_to_be_one(log):
    logits, labels = batch(30)
    labels[:] = logits.argmin(dim=1)
    logits = 100 * logits
    head = fit(ConformalRiskControlHead(NUM_CLASSES, [dict(alpha=0.1)]), logits, labels)
    assert head.feasible and head(logits.softmax(1)).all()
    assert 'only the set of all classes keeps this promise' in log[-1]


@pytest.mark.parametrize('control, needed', [('crc', 99), ('rcps', 230), ('ltt', 230)])
def test_too_few_images_give_all_classes_and_say_how_many_would_do(log, control, needed):
    logits, labels = batch(5, seed=7)
    head = fit(ConformalRiskControlHead(NUM_CLASSES, [dict(alpha=0.01)], control), logits, labels)
    assert not head.feasible and head(logits.softmax(1)).all()
    assert f'5 images are too few for this promise, which needs at least {needed},' in log[-1] and 'nan' not in log[-1]


def test_images_of_void_only_are_left_out():
    logits, labels = batch(40, seed=8)
    labels[-3:] = 255
    head = fit(ConformalRiskControlHead(NUM_CLASSES), logits, labels)
    assert head.thresholds[0] == direct_threshold(logits[:-3], labels[:-3], RiskTarget(0.1))


def test_nothing_but_void_gives_all_classes_and_says_so(log):
    logits, labels = batch(5)
    head = fit(ConformalRiskControlHead(NUM_CLASSES), logits, torch.full_like(labels, 255))
    assert not head.feasible and head(logits.softmax(1)).all()
    assert '5 of 5 images hold void only' in log[0] and '0 images are too few' in log[-1]


def test_a_class_absent_from_calibration_cannot_be_promised(log):
    logits, labels = batch(40)
    labels[labels == 2] = 255
    alone = fit(ConformalRiskControlHead(NUM_CLASSES, [dict(loss='class_miss', label=2, alpha=0.3)]), logits, labels)
    assert not alone.feasible and alone(logits.softmax(1)).all() and '0 images are too few' in log[-1]
    each = fit(ConformalRiskControlHead(NUM_CLASSES, [dict(alpha=0.3)], class_conditional=True), logits, labels)
    assert each.fell_back.tolist() == [False, False, True, False]
    assert 'misses of class 2' in log[-2] and '0 images are too few' in log[-2] and each(logits.softmax(1))[:, 2].all()


def test_one_sigmoid_channel_per_class_is_compared_by_itself():
    logits, labels = batch(40)
    head = fit(ConformalRiskControlHead(NUM_CLASSES, [dict(alpha=0.2)], activation='sigmoid'), logits, labels)
    conformity = SetFamily().label_conformity(logits.sigmoid(), labels.masked_fill(labels == 255, 0))
    expected = control_risk(image_loss(tabulate(conformity, labels, NUM_CLASSES)), RiskTarget(0.2)).threshold
    assert head.thresholds[0] == expected
    with pytest.raises(ValueError, match="use family=dict\\(kind='lac'\\)"):
        ConformalRiskControlHead(NUM_CLASSES, activation='sigmoid', family=dict(kind='aps'))


def test_kept_curves_give_risk_and_size_at_any_threshold():
    logits, labels = batch(30, seed=9)
    head = fit(ConformalRiskControlHead(NUM_CLASSES), logits, labels)
    threshold = float(head.thresholds[0])
    assert head.risk_curve([threshold])[0] == pytest.approx(
        float(1 - (head(logits.softmax(1)).gather(1, labels.clamp(max=3).unsqueeze(1))[:, 0] | (labels == 255)).double()
              .sub((labels == 255).double()).sum((1, 2)).div((labels != 255).sum((1, 2))).mean()))
    sizes = head.size_curve([1.0, threshold, 0.0])
    assert sizes[0] == 1 and sizes[2] == NUM_CLASSES and 1 < sizes[1] < NUM_CLASSES


def test_mistakes_are_named():
    for risk, message in ((dict(loss='miscoverage'), 'has no alpha'),
                          (dict(alpha=0.1, loss='dice'), "'dice' is unknown"),
                          (dict(alpha=0.1, tau=0.9), 'unexpected keyword'),
                          (dict(alpha=1.5), 'strictly between 0 and 1'),
                          (dict(alpha=0.1, loss='class_miss', label=7), 'label=7 must lie in 0..3'),
                          (dict(alpha=0.1, class_weights=[1, 2]), '2 class weights for 4 classes')):
        with pytest.raises(ValueError, match=message):
            ConformalRiskControlHead(NUM_CLASSES, [risk])
    with pytest.raises(ValueError, match='controls the misses of every class'):
        ConformalRiskControlHead(NUM_CLASSES, [dict(loss='binary', alpha=0.1)], class_conditional=True)
    with pytest.raises(ValueError, match='num_classes=1 must lie in'):
        ConformalRiskControlHead(1)
    with pytest.raises(RuntimeError, match='no thresholds yet'):
        ConformalRiskControlHead(NUM_CLASSES)(torch.rand(1, NUM_CLASSES, 2, 2))
    head = fit(ConformalRiskControlHead(NUM_CLASSES), *batch(20))
    with pytest.raises(ValueError, match='3 classes and the head num_classes=4'):
        head(torch.rand(1, 3, 2, 2))
    logits, labels = batch(2)
    with pytest.raises(ValueError, match=r'ConformalRiskControlHead: labels 9 at \d+ of \d+ pixels, expected 0 to 3, or 255'):
        fit(ConformalRiskControlHead(NUM_CLASSES), logits, labels.clamp(max=9))
    with pytest.raises(ValueError, match='no image was seen'):
        fit(ConformalRiskControlHead(NUM_CLASSES), logits[:0], labels[:0])
    with pytest.raises(ValueError, match='0 risks'):
        ConformalRiskControlHead(NUM_CLASSES, [])
    without = fit(ConformalRiskControlHead(NUM_CLASSES, keep_curves=False), *batch(20))
    with pytest.raises(RuntimeError, match='keep_curves=True'):
        without.recalibrate()

"""A model and its arrays give the same numbers, and those are what scikit-learn computes."""
import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch.nn import functional as F

import mmseg_uncertainty
from mmseg_uncertainty import evaluate, evaluate_arrays
from tests.test_plain.small_networks import CLASSES, small_images, small_loader, small_network

IMAGES, LABELS = small_images(12)
OTHERS, OTHER_LABELS = small_images(6, seed=1)
NAMES = ['mIoU', 'IDM', 'ECE', 'coverage']
QUIET = dict(progress=False)
FAST = dict(resamples=20)


@pytest.fixture(scope='module')
def model():
    wrapped = mmseg_uncertainty.wrap(small_network(), classes=CLASSES, heads=['msp', 'energy'], calibrator='temperature',
                                     sets=dict(alpha=0.25))
    return wrapped.fit(small_loader(IMAGES, LABELS), **QUIET)


def arrays_of(model, images):
    result = model.predict(images)
    return dict(logits=result.logits, uncertainty=result.uncertainty, prediction_set=result.prediction_set,
                calibrated_logits=result.calibrated_logits, classes=CLASSES)


def test_a_model_and_its_arrays_give_the_same_numbers(model):
    numbers = evaluate(model, small_loader(OTHERS, OTHER_LABELS), NAMES, **FAST, **QUIET)
    assert numbers == evaluate_arrays(labels=OTHER_LABELS, names=NAMES, **arrays_of(model, OTHERS), **FAST)
    assert {'mIoU[pooled]', 'IoU.tree[pooled]', 'msp/IDM_AP[pooled]', 'ECE[pooled]', 'uncalibrated/ECE[pooled]',
            'set/risk[pooled]'} < set(numbers)


def test_batches_do_not_matter(model):
    first, second = (evaluate(model, small_loader(OTHERS, OTHER_LABELS, batch_size=size), NAMES, **FAST, **QUIET)
                     for size in (2, 5))
    assert first == pytest.approx(second, rel=1e-5, nan_ok=True)


def test_numbers_are_those_of_scikit_learn(model):
    result, valid = model.predict(OTHERS), OTHER_LABELS != 255
    wrong = (result.labels != OTHER_LABELS)[valid]
    numbers = evaluate(model, [(OTHERS, OTHER_LABELS)], 'IDM', resamples=0, **QUIET)
    for name, maps in result.uncertainty.items():
        scores = maps[valid].double()
        assert numbers[f'{name}/IDM_AUROC[pooled]'] == pytest.approx(100 * roc_auc_score(wrong, scores), abs=1e-3)
        assert numbers[f'{name}/IDM_AP[pooled]'] == pytest.approx(100 * average_precision_score(wrong, scores), abs=0.02)


def test_predictions_are_measured_at_the_size_of_the_labels(model):
    labels = F.interpolate(OTHER_LABELS[:, None].float(), size=(8, 10))[:, 0].long()
    numbers = evaluate(model, [dict(pixel_values=OTHERS, labels=labels)], 'mIoU', resamples=0, **QUIET)
    predicted = F.interpolate(model.predict(OTHERS).logits, size=(8, 10), mode='bilinear').argmax(1)
    valid = labels != 255
    assert numbers['aAcc[pooled]'] == pytest.approx(100 * float((predicted == labels)[valid].float().mean()))


def test_unknown_objects_have_labels_of_their_own(model):
    labels = (OTHER_LABELS == 1).long().masked_fill(OTHER_LABELS == 255, 255)
    numbers = evaluate(model, [(OTHERS, labels)], ['mFishy'], label_kind='anomaly', resamples=0, **QUIET)
    scores = model.predict(OTHERS).uncertainty['energy']
    expected = 100 * roc_auc_score(labels[labels != 255], scores[labels != 255])
    assert numbers['energy/AUROC[pooled]'] == pytest.approx(expected, abs=1e-3)
    with pytest.raises(ValueError, match='labels 2 at 109 of 320 pixels, expected 0 to 1'):
        evaluate(model, [(OTHERS, OTHER_LABELS)], ['mFishy'], label_kind='anomaly', **QUIET)


def test_novel_labels_are_allowed_where_they_are_named(model):
    labels = OTHER_LABELS.clone()
    labels[:, 5:8] = 9
    with pytest.raises(ValueError, match='labels 9 at 60 of 320 pixels, expected 0 to 2'):
        evaluate(model, [(OTHERS, labels)], 'IDM', **QUIET)
    assert evaluate(model, [(OTHERS, labels)], 'OOD-local', novel=[9], **FAST, **QUIET)


def test_arrays_may_come_one_by_one_and_differ_in_size():
    sizes = [(16, 20), (12, 9)]
    with torch.no_grad():
        logits = [F.interpolate(small_network()(OTHERS[:1]), size=size, mode='bilinear')[0].numpy() for size in sizes]
    labels = [np.full(size, 1, np.uint8) for size in sizes]
    labels[1][:2] = 7
    numbers = evaluate_arrays(iter(logits), iter(labels), ['mIoU', 'IDM'], uncertainty=['msp', 'margin'], ignore_index=7,
                              resamples=0)
    right = np.concatenate([(one.argmax(0) == 1)[label != 7].ravel() for one, label in zip(logits, labels)])
    assert numbers['aAcc[pooled]'] == pytest.approx(100 * right.mean())
    assert {'msp/IDM_AUROC[pooled]', 'margin/IDM_AUROC[pooled]'} < set(numbers)


def test_half_precision_on_disk_is_read():
    with torch.no_grad():
        logits = F.interpolate(small_network()(OTHERS), size=(16, 20), mode='bilinear')
    exact, half = (evaluate_arrays(part, OTHER_LABELS, 'IDM', uncertainty=['entropy'], resamples=0)
                   for part in (logits, logits.half().numpy()))
    assert half == pytest.approx(exact, rel=0.02, abs=0.5)


def test_one_sigmoid_channel_means_two_classes():
    with torch.no_grad():
        scores = F.interpolate(small_network(1)(OTHERS), size=(16, 20), mode='bilinear')
    labels = (OTHER_LABELS == 1).long()
    numbers = evaluate_arrays(scores, labels, 'mIoU', output='sigmoid', threshold=0.3, resamples=0)
    assert numbers['aAcc[pooled]'] == pytest.approx(100 * float(((scores[:, 0].sigmoid() > 0.3) == labels).float().mean()))


@pytest.mark.parametrize('change, message', [
    (dict(labels=OTHER_LABELS[:5]), 'labels: 5 images, and others hold more'),
    (dict(labels=OTHER_LABELS[:, :8]), r'image 00000000: logits have the shape \(3, 16, 20\) and labels \(8, 20\)'),
    (dict(labels=OTHER_LABELS + 1), 'image 00000000: labels 3, 256 at 149 of 320 pixels, expected 0 to 2'),
    (dict(logits=[], labels=[]), 'hold no image'),
    (dict(uncertainty=['vim']), "uncertainty='vim' has to be fitted or reads features"),
    (dict(uncertainty=['energie']), "Did you mean 'energy'"),
    (dict(names=['IDMM']), 'unknown evaluator; choose from mIoU'),
    (dict(label_kind='anomalies'), "label_kind='anomalies' is unknown"),
])
def test_what_does_not_fit_is_named(change, message):
    with torch.no_grad():
        logits = F.interpolate(small_network()(OTHERS), size=(16, 20), mode='bilinear')
    with pytest.raises(ValueError, match=message):
        evaluate_arrays(**dict(logits=logits, labels=OTHER_LABELS, names=['IDM'], uncertainty=['msp']) | change)


def test_numbers_are_returned_and_not_printed(model, capfd):
    evaluate(model, [(OTHERS, OTHER_LABELS)], 'mIoU', **FAST, **QUIET)
    assert 'mIoU' not in ''.join(capfd.readouterr())

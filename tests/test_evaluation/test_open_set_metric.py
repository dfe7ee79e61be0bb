"""Laws of ``--eval oIoU``."""
import json

import numpy as np
import pytest
import torch

from mmseg_uncertainty.evaluation import OpenSetMetric, PublishedOpenSetMetric
from mmseg_uncertainty.functional.open_set import outcome_groups

META = dict(classes=tuple('abcd'), dataset_name='toy streets')


def direct(samples, head, threshold, classes=4):
    both, either = np.zeros(classes), np.zeros(classes)
    for sample in samples:
        labels, claim = (sample[name]['data'][0].numpy() for name in ('gt_sem_seg', 'pred_sem_seg'))
        claim = np.where(sample['uncertainty'][head][0].numpy() >= threshold, classes, claim)[labels != 255]
        labels = labels[labels != 255]
        for index in range(classes):
            both[index] += ((labels == index) & (claim == index)).sum()
            either[index] += ((labels == index) | (claim == index)).sum()
    return 100 * (both / either).mean()


def test_a_given_threshold_is_direct_counting(evaluate, class_samples):
    samples = class_samples()
    metrics = evaluate(OpenSetMetric(threshold=dict(msp=.37, max_logit=-1.5), resamples=50), samples, META)
    for head, threshold in (('msp', .37), ('max_logit', -1.5)):
        value = metrics[f'{head}/oIoU[pooled]']
        assert value == pytest.approx(direct(samples, head, threshold))
        assert metrics[f'{head}/oIoU_low[pooled]'] <= value <= metrics[f'{head}/oIoU_high[pooled]']
        assert metrics[f'{head}/best_oIoU[pooled]'] >= value - .5


def test_the_calibration_split_sets_the_threshold_and_is_left_out(evaluate, class_samples):
    samples, metric = class_samples(), OpenSetMetric(calibration_images='[01].png')
    metrics = evaluate(metric, samples, META)
    threshold = metrics['msp/threshold[pooled]']
    assert metrics['msp/oIoU[pooled]'] == pytest.approx(direct(samples[2:], 'msp', threshold))
    assert metric.provenance['evaluated_images'] == 3
    alone = evaluate(OpenSetMetric(calibration_images='[01].png'), samples[:2] + samples[3:4], META)
    assert alone['msp/threshold[pooled]'] == threshold


def test_default_split_needs_no_option_and_ignores_order(evaluate, class_samples):
    samples = class_samples(8)
    first = evaluate(OpenSetMetric(), samples, META)
    assert first == evaluate(OpenSetMetric(), samples[::-1], META, batch=3)
    assert 0 < first['msp/kept[pooled]'] <= 100


def test_ground_truth_is_never_touched(evaluate, class_samples):
    samples = class_samples()
    before = [sample['gt_sem_seg']['data'].clone() for sample in samples]
    for metric in (OpenSetMetric(), PublishedOpenSetMetric()):
        evaluate(metric, samples, META)
    assert all((sample['gt_sem_seg']['data'] == labels).all() for sample, labels in zip(samples, before))


def test_void_policy(evaluate, class_samples):
    samples = class_samples()
    ignored = evaluate(OpenSetMetric(threshold=-1e9, resamples=0), samples, META)
    unknown = evaluate(OpenSetMetric(threshold=-1e9, void='unknown', resamples=0), samples, META)
    assert ignored['msp/kept[pooled]'] == 0 and 'msp/unknown_IoU[pooled]' not in ignored
    assert unknown['msp/unknown_Acc[pooled]'] == 100
    labels = np.concatenate([part['gt_sem_seg']['data'].flatten().numpy() for part in samples])
    assert unknown['msp/unknown_IoU[pooled]'] == pytest.approx(100 * (labels == 255).mean())


def test_thresholds_are_read_from_an_earlier_run(evaluate, class_samples, tmp_path):
    file = tmp_path / 'calibration.json'
    thresholds = {'msp/IDM_F1_threshold[pooled]': .4, 'max_logit/IDM_F1_threshold[pooled]': -2.}
    file.write_text(json.dumps(dict(metrics=thresholds)))
    metrics = evaluate(OpenSetMetric(threshold=str(file), resamples=0), class_samples(), META)
    assert metrics['msp/threshold[pooled]'] == .4
    file.write_text(json.dumps(dict(metrics={'mIoU': 3})))
    with pytest.raises(ValueError, match='holds no thresholds'):
        OpenSetMetric(threshold=str(file))
    with pytest.raises(KeyError, match='no threshold for head'):
        evaluate(OpenSetMetric(threshold=dict(energy=1.)), class_samples(), META)


def test_a_split_without_images_is_nan_with_a_warning(evaluate, class_samples):
    metrics = evaluate(OpenSetMetric(calibration_images='nothing'), class_samples(), META)
    assert np.isnan(metrics['msp/oIoU[pooled]'])


def test_options_are_checked():
    with pytest.raises(ValueError, match='void='):
        OpenSetMetric(void='drop')
    with pytest.raises(ValueError, match='criterion='):
        OpenSetMetric(criterion='oracle')


def test_groups_fit_their_histogram():
    metric = OpenSetMetric()
    for classes, bits in ((4, 16), (19, 14), (150, 11)):
        metric.dataset_meta = dict(classes=tuple(map(str, range(classes))))
        assert metric.bits == bits
    groups = outcome_groups(torch.tensor([0, 1, 2]), torch.tensor([0, 0, 255]), 3, 'unknown')
    np.testing.assert_array_equal(groups, [0, 4, 8])

"""Laws of ``--eval oIoU``."""
import json

import numpy as np
import pytest
import torch

from mmseg_uncertainty.evaluation import OpenSetMetric, PublishedOpenSetMetric
from mmseg_uncertainty.evaluation.metrics.sample_fields import SampleError
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


def test_decisions_reject_what_they_flag(evaluate, class_samples):
    samples = class_samples()
    for sample in samples:
        scores = sample['uncertainty']['msp']
        sample['flags'] = dict(kept=scores > .37, none=scores > np.inf)
        sample['decisions'] = dict(kept=dict(head='msp', threshold=float(np.float32(.37))), none=dict(head='msp', threshold=np.inf))
    metric = OpenSetMetric(threshold='decisions', resamples=20)
    metrics = evaluate(metric, samples, META)
    above = float(np.nextafter(np.float32(.37), np.float32(1)))
    assert metrics['kept/oIoU[pooled]'] == pytest.approx(direct(samples, 'msp', above)) and 'msp/oIoU[pooled]' not in metrics
    assert metrics['kept/oIoU_low[pooled]'] <= metrics['kept/oIoU[pooled]'] and metric.provenance['threshold_from'] == 'decisions'
    assert metrics['none/kept[pooled]'] == 100 and metrics['none/oIoU[pooled]'] == pytest.approx(direct(samples, 'msp', np.inf))
    with pytest.raises(SampleError, match='carries no flags'):
        evaluate(OpenSetMetric(threshold='decisions'), class_samples(), META)


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
    for classes, bits in ((4, 18), (19, 15), (150, 12)):
        metric.dataset_meta = dict(classes=tuple(map(str, range(classes))))
        assert metric.bits == bits
    groups = outcome_groups(torch.tensor([0, 1, 2]), torch.tensor([0, 0, 255]), 3, 'unknown')
    np.testing.assert_array_equal(groups, [0, 4, 8])


@pytest.fixture
def many_classes(sample):
    """Six images of 150 classes, with scores that lie close together far from zero; rejecting pays."""

    def make(offset, scale):
        random, samples = np.random.default_rng(0), []
        for index in range(6):
            labels = random.integers(0, 150, (60, 90))
            wrong = random.random(labels.shape) < .4
            predictions = np.where(wrong, random.integers(0, 150, labels.shape), labels)
            wrong = predictions != labels
            labels[random.random(labels.shape) < .1] = 255
            scores = offset + scale * (random.normal(size=labels.shape) + 2 * wrong)
            samples.append(sample(f'{index}.png', labels, dict(msp=scores.astype(np.float32)), predictions=predictions))
        return samples
    return make


@pytest.mark.parametrize('void', ['ignore', 'unknown'])
@pytest.mark.parametrize('offset, scale, bound', [(512, 32, .3), (0, 1, .6), (-.9, 1e-4, .6), (1000, .02, 2.5)])
def test_150_classes_are_measured_at_their_threshold_within_the_bound(evaluate, many_classes, offset, scale, bound, void):
    samples = many_classes(offset, scale)
    metric = OpenSetMetric(calibration_images='[012].png', void=void, resamples=0)
    metrics = evaluate(metric, samples, dict(classes=tuple(map(str, range(150)))))
    threshold = metrics['msp/threshold[pooled]']
    exact = evaluate(OpenSetMetric(threshold=threshold, void=void, resamples=0), samples[3:], metric.dataset_meta)
    names = ['oIoU', 'oAcc', 'kept', 'best_oIoU'] + ['unknown_IoU', 'unknown_Acc'] * (void == 'unknown')
    for name in names:
        allowed = metrics[f'msp/{name}_bound[pooled]']
        assert 0 <= allowed < bound
        reference = exact[f'msp/{name}[pooled]']
        assert metrics[f'msp/{name}[pooled]'] == pytest.approx(reference, abs=allowed + 1e-9)
    scores, wrong, known = (np.concatenate([part(entry).ravel() for entry in samples[:3]]) for part in (
        lambda entry: entry['uncertainty']['msp'].numpy(),
        lambda entry: (entry['pred_sem_seg']['data'] != entry['gt_sem_seg']['data']).numpy(),
        lambda entry: (entry['gt_sem_seg']['data'] != 255).numpy()))
    if void == 'ignore':
        scores, wrong = scores[known], wrong[known]
    order = np.argsort(-scores)
    hits = np.cumsum(wrong[order])
    ends = np.diff(scores[order], append=-np.inf) < 0
    best = (2 * hits / (np.arange(1, hits.size + 1) + wrong.sum()))[ends].max()
    taken = scores >= threshold
    reached = 2 * (wrong & taken).sum() / (taken.sum() + wrong.sum())
    assert metrics['msp/threshold_F1[pooled]'] == pytest.approx(100 * reached)
    assert 100 * (best - reached) <= metrics['msp/threshold_F1_bound[pooled]'] + 1e-9 < .1


def test_a_score_equal_to_the_threshold_is_rejected(evaluate, class_samples):
    samples = class_samples(3)
    threshold = float(samples[0]['uncertainty']['msp'].flatten()[5])
    metrics = evaluate(OpenSetMetric(threshold=threshold, resamples=0), samples, META)
    scores, labels = (torch.cat([part(entry).flatten() for entry in samples]) for part in (
        lambda entry: entry['uncertainty']['msp'], lambda entry: entry['gt_sem_seg']['data']))
    assert (scores == threshold).any()
    kept = (scores < threshold)[labels != 255].double().mean()
    assert metrics['msp/kept[pooled]'] == pytest.approx(100 * float(kept))
    assert metrics['msp/oIoU[pooled]'] == pytest.approx(direct(samples, 'msp', threshold))


def test_published_accuracy_is_the_share_of_hits(evaluate, class_samples):
    metric = PublishedOpenSetMetric()
    metrics = evaluate(metric, class_samples(), META)
    for head, areas in metric.areas.items():
        name = next(key for key in metrics if key.startswith(f'{head}/aAcc'))
        assert metrics[name] == pytest.approx(100 * areas['intersect'].sum() / areas['label'].sum())

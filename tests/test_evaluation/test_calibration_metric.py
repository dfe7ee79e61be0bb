"""Laws of ``--eval ECE``."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmseg_uncertainty.evaluation import CalibrationMetric
from mmseg_uncertainty.functional import calibration_error as ce

META = dict(classes=tuple('abcd'), dataset_name='toy streets')


def pooled(samples):
    logits, labels = [], []
    for sample in samples:
        known = sample['gt_sem_seg']['data'][0] != 255
        logits.append(sample['seg_logits']['data'][:, known])
        labels.append(sample['gt_sem_seg']['data'][0][known])
    return torch.cat(logits, 1), torch.cat(labels)


def test_numbers_follow_their_definitions(evaluate, class_samples):
    samples = class_samples()
    metrics = evaluate(CalibrationMetric(resamples=0), samples, META)
    logits, labels = pooled(samples)
    probabilities = logits.softmax(0)
    confidence, correct = probabilities.amax(0).numpy(), (logits.argmax(0) == labels).numpy()
    ece = ce.expected_calibration_error(ce.reliability_sums(confidence, correct))
    assert metrics['ECE[pooled]'] == pytest.approx(float(ece), abs=1e-7)
    assert metrics['NLL[pooled]'] == pytest.approx(float(F.cross_entropy(logits.T, labels)), rel=1e-5)
    onehot = F.one_hot(labels, 4).T
    assert metrics['Brier[pooled]'] == pytest.approx(float((probabilities - onehot).square().sum(0).mean()), rel=1e-5)
    in_order = ce.sorted_sums(confidence, correct)
    smirnov = ce.kolmogorov_smirnov_error(in_order)
    assert metrics['KS[pooled]'] == pytest.approx(float(smirnov), abs=metrics['KS_bound[pooled]'] + 1e-7)
    assert metrics['KS_bound[pooled]'] < .01
    adaptive = metrics['adaptive_ECE[pooled]'], metrics['adaptive_ECE_bound[pooled]']
    assert adaptive[0] == pytest.approx(ce.adaptive_calibration_error(in_order), abs=min(adaptive[1], 2e-3))
    assert 0 < adaptive[1] < .05
    gaps, each, sharp = [], [], probabilities.double().numpy()
    for index in range(15):
        inside = (confidence > np.float32(index / 15)) & (confidence <= np.float32((index + 1) / 15))
        gaps += [abs(confidence[inside].astype(float).mean() - correct[inside].mean())] if inside.any() else []
    assert metrics['MCE[pooled]'] == pytest.approx(max(gaps), abs=1e-6)
    for index, row in enumerate(sharp):
        cells = np.clip(np.ceil(row.astype(np.float32) * 15).astype(int) - 1, 0, 14)
        each.append(np.abs(np.bincount(cells, row - (labels == index).numpy(), 15)).sum() / row.size)
    assert metrics['classwise_ECE[pooled]'] == pytest.approx(np.mean(each), abs=1e-6)


def test_rank_based_errors_come_from_128_bins_for_each_halving(evaluate, class_samples):
    metric, samples = CalibrationMetric(resamples=0), class_samples()
    metric.dataset_meta = META
    metric.process({}, samples)
    logits, labels = pooled(samples)
    probabilities = logits.softmax(0).amax(0)
    doubt = np.unique((1 - probabilities).numpy().view(np.int32) >> 16).size
    assert (metric.state['fine'][0] > 0).sum() == pytest.approx(doubt, abs=3)


@pytest.mark.parametrize('protocol', ['pooled', 'per_image', 'published'])
def test_order_and_batch_size_change_nothing(evaluate, class_samples, protocol):
    samples = class_samples()
    first = evaluate(CalibrationMetric(protocol), samples, META)
    assert first == evaluate(CalibrationMetric(protocol), samples[::-1], META, batch=2)


def test_per_image_is_the_mean_over_images(evaluate, class_samples):
    samples = class_samples()
    alone = [evaluate(CalibrationMetric(resamples=0), [part], META)['ECE[pooled]'] for part in samples]
    together = evaluate(CalibrationMetric('per_image', resamples=0), samples, META)
    assert together['ECE[per_image]'] == pytest.approx(np.mean(alone))


def test_void_logits_never_count(evaluate, class_samples):
    samples, spoiled = class_samples(), class_samples()
    for part in spoiled:
        part['seg_logits']['data'][:, part['gt_sem_seg']['data'][0] == 255] = float('nan')
    assert evaluate(CalibrationMetric(), samples, META) == evaluate(CalibrationMetric(), spoiled, META)


def test_chunks_do_not_show(evaluate, class_samples, monkeypatch):
    whole = evaluate(CalibrationMetric(resamples=0), class_samples(), META)
    monkeypatch.setattr('mmseg_uncertainty.evaluation.metrics.calibration_metric.CHUNK', 37)
    parts = evaluate(CalibrationMetric(resamples=0), class_samples(), META)
    assert parts == pytest.approx(whole, abs=1e-7)


def test_intervals_hold_the_value_and_the_diagram_is_kept(evaluate, class_samples, tmp_path):
    metric = CalibrationMetric(resamples=100, plot_dir=tmp_path)
    metrics = evaluate(metric, class_samples(), META)
    for name in ('NLL', 'Brier'):
        assert metrics[f'{name}_low[pooled]'] <= metrics[f'{name}[pooled]'] <= metrics[f'{name}_high[pooled]']
    assert metrics['ECE_low[pooled]'] < metrics['ECE_high[pooled]']
    assert sum(metric.provenance['reliability']['count']) == pooled(class_samples())[1].numel()
    assert (tmp_path / 'ECE_reliability.png').is_file()


def test_an_unlabelled_dataset_is_nan(evaluate, class_samples):
    samples = class_samples()
    for part in samples:
        part['gt_sem_seg']['data'].fill_(255)
    assert all(np.isnan(value) for value in evaluate(CalibrationMetric(), samples, META).values())


def test_logits_that_do_not_fit_are_named(evaluate, class_samples):
    samples = class_samples()
    samples[1]['seg_logits']['data'] = samples[1]['seg_logits']['data'][:3]
    with pytest.raises(ValueError, match=r'images/1\.png: seg_logits have shape \(3, 15, 23\), expected 4 classes'):
        evaluate(CalibrationMetric(), samples, META)
    samples = class_samples()
    samples[1]['gt_sem_seg']['data'][0, 0, 0] = 0
    samples[1]['seg_logits']['data'][0, 0, 0] = float('nan')
    with pytest.raises(ValueError, match=r'images/1\.png: the logits are NaN'):
        evaluate(CalibrationMetric(), samples, META)


def test_probabilities_of_one_channel_are_named(evaluate, sample):
    """What mmseg's own segmentors return for them."""
    part = sample('a.png', np.zeros((3, 4), int), predictions=np.zeros((3, 4)))
    part['seg_logits'] = dict(data=torch.rand(1, 3, 4))
    with pytest.raises(ValueError, match='a.png: seg_logits of one sigmoid channel are probabilities.*PosthocSegmentor'):
        evaluate(CalibrationMetric(), [part], dict(classes=('road', 'other')))


def test_calibrated_logits_are_measured_where_there_are_any(evaluate, class_samples):
    halved, calibrated = class_samples(), class_samples()
    for one, other in zip(halved, calibrated):
        other['class_logits'] = other['seg_logits']
        other['calibrated_logits'] = dict(data=one['seg_logits']['data'] / 2)
        one['seg_logits']['data'] = one['seg_logits']['data'] / 2
    before, after = (evaluate(CalibrationMetric(), samples, META) for samples in (class_samples(), halved))
    metric = CalibrationMetric()
    assert evaluate(metric, calibrated, META) == after | {f'uncalibrated/{key}': value for key, value in before.items()}
    assert metric.provenance['logits'] == 'calibrated' and metric.provenance['reliability'] != metric.provenance[
        'uncalibrated_reliability']


def test_coarser_classes_of_the_dataset_are_sums_of_those_of_the_model(evaluate, class_samples):
    groups, merged = torch.tensor([0, 1, 1, 0]), class_samples()
    meta = dict(classes=('fine', 'coarse'), dataset_name='toy streets')
    for part in merged:
        labels = part['gt_sem_seg']['data']
        part['gt_sem_seg']['data'] = torch.where(labels == 255, 255, groups[labels.clamp(max=3)])
        part['pred_sem_seg']['data'] = part['seg_logits']['data'].argmax(0, keepdim=True)
    grouped = evaluate(CalibrationMetric(resamples=0), merged, meta | dict(class_groups=groups.tolist()))
    for part in merged:
        probabilities = part['seg_logits']['data'].softmax(0)
        part['seg_logits']['data'] = torch.stack([probabilities[groups == group].sum(0) for group in range(2)]).log()
        part['pred_sem_seg']['data'] = part['seg_logits']['data'].argmax(0, keepdim=True)
    assert grouped == pytest.approx(evaluate(CalibrationMetric(resamples=0), merged, meta), abs=1e-6)
    with pytest.raises(ValueError, match='the model has 2 classes, and the dataset groups 4'):
        evaluate(CalibrationMetric(), merged, meta | dict(class_groups=groups.tolist()))

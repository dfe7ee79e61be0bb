"""Laws and errors of ``--eval mFishy``."""
import logging

import numpy as np
import pytest
from scipy.integrate import trapezoid
from sklearn.metrics import average_precision_score, roc_auc_score

from mmseg_uncertainty.evaluation import AnomalyRankingMetric

META = dict(classes=('in-distribution', 'anomaly'), label_kind='anomaly', dataset_name='toy anomalies')


def pooled(samples, head):
    scores, labels = (np.concatenate([part.ravel() for part in parts]) for parts in (
        [sample['uncertainty'][head].numpy() for sample in samples],
        [sample['gt_sem_seg']['data'].numpy() for sample in samples]))
    return labels[labels != 255], scores[labels != 255]


@pytest.mark.parametrize('exact', [False, True])
def test_pooled_numbers_are_those_of_scikit_learn(evaluate, anomaly_samples, exact):
    samples = anomaly_samples()
    metrics = evaluate(AnomalyRankingMetric(exact=exact, resamples=0), samples, META)
    for head in ('energy', 'tied'):
        labels, scores = pooled(samples, head)
        for name, reference in (('AUROC', roc_auc_score), ('AP', average_precision_score)):
            bound = metrics.get(f'{head}/{name}_bound[pooled]', 0)
            assert abs(metrics[f'{head}/{name}[pooled]'] - 100 * reference(labels, scores)) <= bound + 1e-10


def ranked_at_every_threshold(labels, scores):
    """AUROC, AP and FPR95 of pixels that score at least as high as each score that occurs."""
    taken = scores[None] >= np.unique(scores)[::-1, None]
    true, false = (np.r_[0, (taken & (labels == group)).sum(1) / (labels == group).sum()] for group in (1, 0))
    precision = (taken & (labels == 1)).sum(1) / taken.sum(1)
    return dict(AUROC=trapezoid(true, false), AP=(np.diff(true) * precision).sum(), FPR95=false[(true >= .95).argmax()])


@pytest.mark.parametrize('exact', [False, True])
def test_the_server_of_fishyscapes_pools_pixels_and_takes_ties_together(evaluate, anomaly_samples, exact):
    samples = anomaly_samples()
    metrics = evaluate(AnomalyRankingMetric('fishyscapes', exact=exact, resamples=0), samples, META)
    for head in ('energy', 'tied'):
        for name, value in ranked_at_every_threshold(*pooled(samples, head)).items():
            bound = metrics.get(f'{head}/{name}_bound[fishyscapes]', 0)
            assert abs(metrics[f'{head}/{name}[fishyscapes]'] - 100 * value) <= bound + 1e-10
    same = evaluate(AnomalyRankingMetric(exact=exact, resamples=0), samples, META)
    assert metrics == {key.replace('pooled', 'fishyscapes'): value for key, value in same.items()}


@pytest.mark.parametrize('protocol', ['pooled', 'per_image', 'published'])
def test_order_and_batch_size_change_nothing(evaluate, anomaly_samples, protocol):
    samples = anomaly_samples()
    first = evaluate(AnomalyRankingMetric(protocol), samples, META)
    second = evaluate(AnomalyRankingMetric(protocol), samples[::-1], META, batch=3)
    assert first == second


def test_per_image_averages_over_images_that_hold_both_groups(evaluate, anomaly_samples):
    samples = anomaly_samples()
    samples[2]['gt_sem_seg']['data'].clamp_(max=0)
    metrics = evaluate(AnomalyRankingMetric('per_image', exact=True), samples, META)
    expected = [100 * roc_auc_score(*pooled([part], 'energy')) for index, part in enumerate(samples) if index != 2]
    assert metrics['energy/AUROC[per_image]'] == pytest.approx(np.mean(expected), abs=1e-10)


def test_void_pixels_never_change_anything(evaluate, anomaly_samples):
    samples, spoiled = anomaly_samples(), anomaly_samples()
    for part in spoiled:
        for scores in part['uncertainty'].values():
            scores[part['gt_sem_seg']['data'] == 255] = float('nan')
    assert evaluate(AnomalyRankingMetric(), samples, META) == evaluate(AnomalyRankingMetric(), spoiled, META)


def test_threshold_of_best_f1_reaches_it(evaluate, anomaly_samples):
    samples = anomaly_samples()
    metrics = evaluate(AnomalyRankingMetric(resamples=0), samples, META)
    labels, scores = pooled(samples, 'energy')
    chosen = scores >= metrics['energy/F1_threshold[pooled]']
    assert 200 * (chosen & (labels == 1)).sum() / (chosen.sum() + labels.sum()) == pytest.approx(
        metrics['energy/F1[pooled]'])


def test_intervals_hold_the_value_and_shrink_with_more_images(evaluate, anomaly_samples):
    few, many = (evaluate(AnomalyRankingMetric(resamples=200), anomaly_samples(count), META) for count in (4, 9))
    widths = []
    for metrics in (few, many):
        for name in ('AUROC', 'AP', 'FPR95', 'F1'):
            low, high = (metrics[f'energy/{name}_{side}[pooled]'] for side in ('low', 'high'))
            assert low <= metrics[f'energy/{name}[pooled]'] <= high
        widths.append(metrics['energy/AUROC_high[pooled]'] - metrics['energy/AUROC_low[pooled]'])
    assert widths[1] < widths[0]


def test_an_image_that_comes_twice_counts_once(evaluate, anomaly_samples, warnings):
    samples = anomaly_samples()
    once = evaluate(AnomalyRankingMetric(), samples, META)
    assert evaluate(AnomalyRankingMetric(), samples + samples[:1], META) == once
    assert 'images/0.png came twice' in warnings.text


@pytest.mark.parametrize('value, missing', [(0, 'anomalous pixels'), (1, 'other pixels'), (255, 'anomalous pixels')])
def test_a_missing_group_is_nan_with_a_named_warning(evaluate, anomaly_samples, warnings, value, missing):
    samples = anomaly_samples()
    for part in samples:
        part['gt_sem_seg']['data'].fill_(value)
    metrics = evaluate(AnomalyRankingMetric(), samples, META)
    assert np.isnan(metrics['energy/AUROC[pooled]'])
    record = next(record for record in warnings.records if missing in record.getMessage())
    assert record.levelno == logging.WARNING and 'toy anomalies' in record.getMessage()
    assert ('write anomalies as 1' in record.getMessage()) == (missing == 'anomalous pixels')


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_non_finite_scores_name_head_and_image(evaluate, anomaly_samples, value):
    samples = anomaly_samples()
    samples[3]['gt_sem_seg']['data'][0, 0, 0] = 0
    samples[3]['uncertainty']['tied'][0, 0, 0] = value
    with pytest.raises(ValueError, match=r"images/3\.png: head 'tied' gave 1 NaN or infinite"):
        evaluate(AnomalyRankingMetric(), samples, META)


def test_shapes_labels_and_missing_heads_are_named(evaluate, anomaly_samples):
    samples = anomaly_samples()
    samples[1]['uncertainty']['energy'] = samples[1]['uncertainty']['energy'][:, ::2]
    with pytest.raises(ValueError, match=r"images/1\.png: head 'energy' gave a map of \(12, 28\), .*\(23, 28\)"):
        evaluate(AnomalyRankingMetric(), samples, META)
    samples = anomaly_samples()
    samples[0]['gt_sem_seg']['data'][0, 3, 3] = 7
    with pytest.raises(ValueError, match=r'images/0\.png: labels such as 7 at 1 of \d+ pixels, expected 0 to 1, or 255.*an anomaly'):
        evaluate(AnomalyRankingMetric(), samples, META)
    samples[0]['gt_sem_seg']['data'][0, 3, 3] = 0
    samples[0]['uncertainty'] = {}
    with pytest.raises(ValueError, match='carries no uncertainty map'):
        evaluate(AnomalyRankingMetric(), samples, META)


def test_class_labels_are_refused_with_what_they_allow():
    with pytest.raises(ValueError, match='mFishy needs anomaly labels.*classes labels.*IDM'):
        AnomalyRankingMetric().dataset_meta = dict(classes=('road', 'car'))
    with pytest.raises(ValueError, match='protocol='):
        AnomalyRankingMetric(protocol='median')


def test_provenance_counts_pixels(evaluate, anomaly_samples):
    samples, metric = anomaly_samples(), AnomalyRankingMetric(resamples=3)
    evaluate(metric, samples, META)
    labels = np.concatenate([part['gt_sem_seg']['data'].numpy().ravel() for part in samples])
    assert metric.provenance['pixels'] == labels.size
    assert metric.provenance['positives'] == (labels == 1).sum()
    assert metric.provenance['void_share'] == pytest.approx((labels == 255).mean())


@pytest.mark.parametrize('transform', [lambda scores: 1000 + .2 * scores, lambda scores: .95 + 1e-6 * scores,
                                       lambda scores: -.2294 + 1e-7 * scores, lambda scores: scores])
@pytest.mark.parametrize('protocol', ['pooled', 'per_image', 'published'])
def test_concentrated_scores_lose_nothing(evaluate, anomaly_samples, transform, protocol):
    samples = anomaly_samples()
    for part in samples:
        for name, scores in part['uncertainty'].items():
            part['uncertainty'][name] = transform(scores.double()).float()
    exact, streamed = (evaluate(AnomalyRankingMetric(protocol, exact=exact, resamples=0), samples, META)
                       for exact in (True, False))
    names = [key for key in exact if 'threshold' not in key]
    assert len(names) >= 6
    for key in names:
        bound = streamed[key.replace('[', '_bound[')]
        assert abs(streamed[key] - exact[key]) <= bound + 1e-9
        assert bound < (1e-9 if transform(1e9) < 1e9 else 5), key


def test_exact_scores_of_several_processes_are_refused_unless_images_are_measured_alone():
    with pytest.raises(ValueError, match='exact=True sorts the scores of one process'):
        AnomalyRankingMetric(exact=True).merge_processes()
    AnomalyRankingMetric('per_image', exact=True).merge_processes()

import numpy as np
import pytest
import torch

from mmseg_uncertainty.evaluation.metrics import DecisionMetric
from mmseg_uncertainty.evaluation.metrics.sample_fields import SampleError

PROMISE = dict(head='msp', kind='false_alarms', alpha=0.05, control='crc', delta=0.1, of='mistakes', pixels=3, region=None,
               text='at most 5 %', threshold=0.5, feasible=True)


def sample(index, labels, predicted, flags, scene=None, **promise):
    fields = dict(img_path=f'{index}.png', gt_sem_seg=dict(data=torch.tensor(labels)[None]),
                  pred_sem_seg=dict(data=torch.tensor(predicted)[None]), decisions=dict(flagged=dict(PROMISE, **promise)),
                  flags=dict(flagged=torch.tensor(flags, dtype=torch.bool)[None]))
    return fields if scene is None else dict(fields, scene=scene)


def evaluate(samples, kind='classes', **options):
    metric = DecisionMetric(**options)
    metric.dataset_meta = dict(classes=('a', 'b'), label_kind=kind)
    metric.process({}, samples)
    return metric.evaluate(len(samples)), metric


def test_rates_are_means_over_images_and_stand_beside_their_promise():
    metrics, metric = evaluate([
        sample(0, [[0, 0, 1, 255]], [[0, 0, 0, 0]], [[1, 0, 1, 1]]),  # one of two right pixels, the mistake, a void pixel
        sample(1, [[0, 0, 1, 1]], [[0, 0, 1, 1]], [[0, 0, 0, 0]]),  # nothing is wrong
        sample(2, [[255, 255, 255, 255]], [[0, 0, 0, 0]], [[0, 0, 0, 0]])])
    found = {key.split('/')[1].split('[')[0]: value for key, value in metrics.items()}
    assert found['false_alarms'] == pytest.approx((1 / 2 + 0) / 2) and found['misses'] == 0
    assert found['precision'] == pytest.approx((1 / 2 + 1) / 2) and found['selective_risk'] == 0
    assert found['kept'] == pytest.approx((1 / 3 + 1) / 2) and found['frame_alarms'] == pytest.approx(1 / 3)
    assert found['false_alarms_promised'] == 0.05 and found['threshold'] == 0.5
    assert found['false_alarms_low'] <= found['false_alarms'] <= found['false_alarms_high']
    assert metric.provenance['promises'] == dict(flagged='at most 5 %')


def test_anomalies_are_what_should_be_flagged_where_labels_name_them():
    metrics, _ = evaluate([sample(0, [[0, 1, 1, 255]], [[0, 0, 0, 0]], [[1, 1, 0, 1]], of='anomalies'),
                           sample(1, [[0, 0, 0, 0]], [[0, 0, 0, 0]], [[1, 1, 1, 0]], of='anomalies')], 'anomaly', resamples=0)
    found = {key.split('/')[1].split('[')[0]: value for key, value in metrics.items()}
    assert found['misses'] == 0.5 and found['false_alarms'] == pytest.approx((1 + 3 / 4) / 2)
    assert found['frame_alarms'] == 1, 'the frame with an anomaly does not count'


def test_classes_hold_no_anomalies():
    metrics, _ = evaluate([sample(0, [[0, 1]], [[1, 1]], [[1, 0]], of='anomalies')], resamples=0)
    found = {key.split('/')[1].split('[')[0]: value for key, value in metrics.items()}
    assert found['false_alarms'] == 0.5 and np.isnan(found['misses'])


def test_intervals_resample_scenes():
    samples = [sample(index, [[0, 0]], [[0, 0]], [[index // 5, 0]], scene=index // 5) for index in range(10)]
    by_scene, metric = evaluate(samples)
    by_image, _ = evaluate(samples, resample_by='image')
    assert metric.provenance['resampled'] != ''
    key = 'flagged/false_alarms_high[per_image]'
    assert by_scene[key] == 0.5 > by_image[key]


def test_infeasible_promises_are_not_a_number_and_samples_without_flags_are_refused():
    metrics, _ = evaluate([sample(0, [[0]], [[0]], [[0]], feasible=False)], resamples=0)
    assert np.isnan(metrics['flagged/false_alarms_promised[per_image]'])
    with pytest.raises(SampleError, match='decisions'):
        evaluate([{key: value for key, value in sample(0, [[0]], [[0]], [[0]]).items() if key != 'flags'}])

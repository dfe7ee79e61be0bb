"""Laws of ``--eval components``."""
import numpy as np
import pytest

from mmseg_uncertainty.evaluation import ComponentMetric

META = dict(classes=('in-distribution', 'anomaly'), label_kind='anomaly', dataset_name='toy objects')


@pytest.fixture
def objects(sample):
    """Two objects, one of them half found, and one false alarm."""
    labels, scores = np.zeros((30, 40), int), np.zeros((30, 40), np.float32)
    labels[2:8, 2:8] = labels[15:21, 10:20] = 1
    labels[:, 35:] = 255
    scores[2:8, 2:8] = scores[15:21, 10:15] = .9
    scores[25:28, 1:5] = scores[5:9, 36:39] = .8
    return [sample(f'{index}.png', labels, dict(flow=scores, blind=scores * 0)) for index in range(3)]


def test_values_that_can_be_counted_by_hand(evaluate, objects):
    metrics = evaluate(ComponentMetric(threshold=.5, smallest_prediction=0, resamples=20), objects, META)
    assert metrics['flow/sIoU[pooled]'] == pytest.approx(75)
    assert metrics['flow/PPV[pooled]'] == pytest.approx(100 * 2 / 3)
    levels = np.arange(25, 80, 5) / 100
    found = 1 + (levels < .5)
    expected = 100 * (2 * found / (2 * found + (2 - found) + 1)).mean()
    assert metrics['flow/F1*[pooled]'] == pytest.approx(expected)
    assert metrics['flow/F1*_low[pooled]'] == pytest.approx(expected)
    assert np.isnan(metrics['blind/PPV[pooled]']) and metrics['blind/F1*[pooled]'] == 0


def test_small_predictions_are_dropped(evaluate, objects):
    metrics = evaluate(ComponentMetric(threshold=.5, smallest_prediction=13, resamples=0), objects, META)
    assert metrics['flow/PPV[pooled]'] == 100


def test_the_oracle_threshold_is_that_of_the_best_pixel_f1(evaluate, objects):
    oracle = evaluate(ComponentMetric(smallest_prediction=0, resamples=0), objects, META)
    assert oracle['flow/threshold[pooled]'] == pytest.approx(.9, rel=1e-3)
    given = evaluate(ComponentMetric(threshold=.85, smallest_prediction=0, resamples=0), objects, META)
    assert oracle['flow/F1*[pooled]'] == given['flow/F1*[pooled]']


def test_no_anomaly_is_nan_and_class_labels_are_refused(evaluate, objects):
    for part in objects:
        part['gt_sem_seg']['data'].fill_(0)
    metrics = evaluate(ComponentMetric(smallest_prediction=0), objects, META)
    assert np.isnan(metrics['flow/sIoU[pooled]']) and np.isnan(metrics['flow/F1*[pooled]'])
    with pytest.raises(ValueError, match='components needs anomaly labels'):
        ComponentMetric().dataset_meta = dict(classes=('a', 'b'))

"""Laws of ``--eval components``."""
import json

import numpy as np
import pytest
import torch

from mmseg_uncertainty.evaluation import ComponentMetric
from mmseg_uncertainty.evaluation.metrics.sample_fields import SampleError

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
    found = 1 + (levels <= .5)
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
    assert oracle['flow/threshold_F1[pooled]'] == pytest.approx(100 * 2 * 66 / (66 + 96))


def test_a_score_equal_to_the_threshold_is_no_anomaly(evaluate, objects):
    for threshold, expected in ((float(np.float32(.8)), 100), (float(np.nextafter(np.float32(.8), np.float32(0))), 200 / 3)):
        metrics = evaluate(ComponentMetric(threshold=threshold, smallest_prediction=0, resamples=0), objects, META)
        assert metrics['flow/PPV[pooled]'] == pytest.approx(expected)


@pytest.mark.parametrize('name, value', [('threshold[obstacle]', .8), ('threshold[pooled]', .8),
                                         ('F1_threshold[pooled]', .9)])
def test_thresholds_of_an_earlier_run_keep_what_they_took(evaluate, objects, tmp_path, name, value):
    file = tmp_path / 'run.json'
    metrics = {f'{head}/{name}': float(np.float32(value)) for head in ('flow', 'blind')}
    file.write_text(json.dumps(dict(metrics=metrics)))
    metrics = evaluate(ComponentMetric(threshold=str(file), smallest_prediction=0, resamples=0), objects, META)
    assert metrics['flow/sIoU[pooled]'] == pytest.approx(75) and metrics['flow/PPV[pooled]'] == 100


@pytest.mark.parametrize('track, sizes', [('anomaly', (500, 100)), ('obstacle', (50, 10))])
def test_tracks_are_the_pooled_numbers_at_their_sizes(evaluate, sample, track, sizes):
    random = np.random.default_rng(0)
    samples = []
    for index in range(4):
        labels, scores = np.zeros((90, 120), int), np.zeros((90, 120), np.float32)
        for side in (3, 4, 9, 11, 23, 24):
            top, left = random.integers(0, 90 - side), random.integers(0, 120 - side)
            labels[top:top + side, left:left + side] = 1
            scores[top:top + side + 1, left:left + side + random.integers(0, 3)] = .9
        samples.append(sample(f'{index}.png', labels, dict(flow=scores)))
    given = evaluate(ComponentMetric(threshold=.5, smallest_prediction=sizes[0], smallest_truth=sizes[1]), samples, META)
    metric = ComponentMetric(track, threshold=.5)
    named = evaluate(metric, samples, META)
    assert named == {key.replace('pooled', track): value for key, value in given.items()}
    assert (metric.provenance['smallest_prediction'], metric.provenance['smallest_truth']) == sizes
    with pytest.raises(ValueError, match=f"protocol='{track}' fixes the sizes"):
        ComponentMetric(track, smallest_truth=3)


def test_the_dataset_chooses_the_track_unless_an_option_does(evaluate, objects):
    for options, meta, expected in ((dict(), 'obstacle', 'obstacle'), (dict(), 'anomaly', 'anomaly'), (dict(), None, 'pooled'),
                                    (dict(protocol='pooled'), 'obstacle', 'pooled'),
                                    (dict(protocol='anomaly'), 'obstacle', 'anomaly'),
                                    (dict(smallest_prediction=0), 'obstacle', 'pooled')):
        metric = ComponentMetric(threshold=.5, resamples=0, **options)
        metrics = evaluate(metric, objects, dict(META, track=meta))
        assert set(metrics) == {f'{head}/{name}[{expected}]' for head in ('flow', 'blind')
                                for name in ('F1*', 'sIoU', 'PPV', 'threshold')}
        assert metric.provenance['protocol'] == expected
    with pytest.raises(ValueError, match="of toy objects names the track 'obstacles'. Did you mean obstacle"):
        ComponentMetric().dataset_meta = dict(META, track='obstacles')


def test_one_metric_follows_every_dataset_it_is_given(evaluate, objects):
    metric = ComponentMetric(threshold=.5, resamples=0)
    keys = [next(iter(evaluate(metric, objects, dict(META, track=track)))) for track in ('obstacle', None, 'anomaly')]
    assert [key.partition('[')[2] for key in keys] == ['obstacle]', 'pooled]', 'anomaly]']


@pytest.mark.parametrize('track', ['anomaly', 'obstacle'])
def test_scores_of_a_track_that_are_no_numbers_are_refused(evaluate, objects, track):
    objects[1]['uncertainty']['flow'] = objects[1]['uncertainty']['flow'].clone()
    objects[1]['uncertainty']['flow'][0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="1.png: head 'flow' gave 1 NaN or infinite scores"):
        evaluate(ComponentMetric(track), objects, META)


def test_recall_by_size_counts_the_objects_of_each_band(evaluate, objects):
    metric = ComponentMetric(threshold=.5, smallest_prediction=0, size_bands=(30, 50, 1000), recall_level=.6, resamples=20)
    metrics = evaluate(metric, objects, META)
    # 36 pixels wholly found, 60 pixels half found, and none of a thousand.
    assert (metrics['flow/recall.30-49[pooled]'], metrics['flow/recall.50-999[pooled]']) == (100, 0)
    assert np.isnan(metrics['flow/recall.1000-[pooled]']) and metrics['flow/recall.30-49_low[pooled]'] == 100
    assert metric.provenance['objects'] == {'recall.30-49': 3, 'recall.50-999': 3, 'recall.1000-': 0}
    metrics = evaluate(ComponentMetric(threshold=.5, smallest_prediction=0, size_bands=(37, ), resamples=0), objects, META)
    assert metrics['flow/recall.37-[pooled]'] == 100 and metrics['blind/recall.37-[pooled]'] == 0
    for bands in ((0, 5), (9, 9), (9, 3)):
        with pytest.raises(ValueError, match='size_bands=.* must begin above 0 and ascend'):
            ComponentMetric(size_bands=bands)


@pytest.mark.parametrize('threshold', [.5, None])
def test_recall_by_distance_counts_the_objects_of_each_band(evaluate, objects, threshold):
    for part in objects:
        part['gt_depth_map'] = dict(data=torch.where(torch.arange(40) < 9, 12., 40.).expand(1, 30, 40))
    objects[2]['gt_depth_map'] = dict(data=torch.full((1, 30, 40), torch.inf))
    metric = ComponentMetric(threshold=threshold, smallest_prediction=0, size_bands=(30, ), distance_bands=(0, 20, 60),
                             recall_level=.6, resamples=20)
    metrics = evaluate(metric, objects, META)
    # The near object is wholly found, the far one half.
    assert metrics['flow/recall.0-20m[pooled]'] == metrics['flow/recall.0-20m_low[pooled]'] == 100
    assert metrics['flow/recall.20-60m[pooled]'] == 0 and np.isnan(metrics['flow/recall.60-m[pooled]'])
    assert metric.provenance['objects'] == {'recall.30-': 6, 'recall.0-20m': 2, 'recall.20-60m': 2, 'recall.60-m': 0}


def test_bands_of_distances_need_distances(evaluate, objects):
    with pytest.raises(SampleError, match='0.png carries no distances.*LoadDistances'):
        evaluate(ComponentMetric(distance_bands=(0, )), objects, META)
    with pytest.raises(ValueError, match='distance_bands=.* must begin at 0'):
        ComponentMetric(distance_bands=(5, 3))


def test_no_anomaly_is_nan_and_class_labels_are_refused(evaluate, objects, warnings):
    for part in objects:
        part['gt_sem_seg']['data'].fill_(0)
    metrics = evaluate(ComponentMetric(smallest_prediction=0), objects, META)
    assert np.isnan(metrics['flow/sIoU[pooled]']) and np.isnan(metrics['flow/F1*[pooled]'])
    assert 'masks of 0 and 255 hold no anomaly; write anomalies as 1' in warnings.text
    with pytest.raises(ValueError, match='components needs anomaly labels'):
        ComponentMetric().dataset_meta = dict(classes=('a', 'b'))


@pytest.mark.parametrize(('threshold', 'source'), [(None, 'best pixel F1'), (.5, 'given')])
def test_it_is_said_where_the_threshold_comes_from(evaluate, objects, threshold, source):
    metric = ComponentMetric(threshold=threshold, smallest_prediction=0, resamples=0)
    evaluate(metric, objects, META)
    assert metric.provenance['threshold_from'] == source

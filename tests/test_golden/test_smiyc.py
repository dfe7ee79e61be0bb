"""Component and pixel metrics of the SegmentMeIfYouCan benchmark tool, number by number."""
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmseg_uncertainty.evaluation import AnomalyRankingMetric, ComponentMetric
from mmseg_uncertainty.functional import ranking
from mmseg_uncertainty.functional.component_metrics import TRACKS, component_counts, component_overlaps
from mmseg_uncertainty.functional.quantile_bins import best_binned_f1, quantile_bins

FOLDER = Path(os.environ.get('GOLDEN_ROOT', Path(__file__).parents[3] / 'shared' / 'golden')) / 'smiyc'
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f'no golden vectors in {FOLDER}; set GOLDEN_ROOT')
META = dict(classes=('in-distribution', 'anomaly'), label_kind='anomaly')


@pytest.fixture(scope='module')
def arrays():
    with np.load(FOLDER / 'components.npz', allow_pickle=False) as file:
        return dict(file)


def evaluate(metric, arrays, meta=META):
    metric.dataset_meta = meta
    for index, (labels, scores) in enumerate(zip(arrays['labels'], arrays['scores'])):
        metric.process({}, [dict(img_path=f'{index:04}', gt_sem_seg=dict(data=torch.from_numpy(labels)[None]),
                                 uncertainty=dict(flow=torch.from_numpy(scores)[None]))])
    return metric.evaluate(len(arrays['labels']))


def overlaps(arrays, track):
    sizes, threshold = TRACKS[track], arrays[f'{track}_threshold']
    return [component_overlaps(labels == 1, scores > threshold, labels == 255, sizes.smallest_truth,
                               sizes.smallest_prediction)
            for labels, scores in zip(arrays['labels'], arrays['scores'])]


@pytest.mark.parametrize('track', TRACKS)
def test_tracks_have_the_sizes_of_the_benchmark(arrays, track):
    expected = {name: int(arrays[f'{track}_{name}']) for name in ('smallest_prediction', 'smallest_truth')}
    assert replace(TRACKS[track], **expected) == TRACKS[track]


@pytest.mark.parametrize('track', TRACKS)
def test_every_component_overlaps_as_in_the_benchmark(arrays, track):
    parts = overlaps(arrays, track)
    found = np.concatenate([part.adjusted_iou for part in parts])
    images = np.repeat(np.arange(len(parts)), [part.adjusted_iou.size for part in parts])
    precision = np.concatenate([part.precision for part in parts])
    for values, labels, name in ((found, images, 'sIoU_gt'), (precision, np.zeros(precision.size), 'prec_pred')):
        expected = arrays[f'{track}_{name}']
        groups = arrays[f'{track}_image_of_truth'] if name == 'sIoU_gt' else np.zeros(expected.size)
        order, reference = np.lexsort((values, labels)), np.lexsort((expected, groups))
        np.testing.assert_array_equal(labels[order], groups[reference])
        np.testing.assert_allclose(values[order], expected[reference], rtol=0, atol=1e-12)


@pytest.mark.parametrize('track', TRACKS)
def test_counts_at_every_level_are_those_of_the_benchmark(arrays, track):
    counts = sum(component_counts(part, arrays[f'{track}_levels']) for part in overlaps(arrays, track))
    np.testing.assert_array_equal(counts, [arrays[f'{track}_{name}'] for name in ('tp', 'fn', 'fp')])


@pytest.mark.parametrize('track', TRACKS)
def test_the_leaderboard_numbers_of_a_track(arrays, track):
    metric = ComponentMetric(track, threshold=float(arrays[f'{track}_threshold']), resamples=0)
    metrics = evaluate(metric, arrays)
    for name, column in (('sIoU', 'sIoU_mean'), ('PPV', 'PPV_mean'), ('F1*', 'f1_mean')):
        assert metrics[f'flow/{name}[{track}]'] == pytest.approx(100 * arrays[f'{track}_{column}'], abs=1e-10)


@pytest.mark.parametrize('track', TRACKS)
def test_a_track_finds_the_threshold_of_the_benchmark_by_itself(arrays, track):
    metric = ComponentMetric(resamples=0)
    metrics = evaluate(metric, arrays, dict(META, track=track))
    for name, column in (('threshold', 'threshold'), ('sIoU', 'sIoU_mean'), ('PPV', 'PPV_mean'), ('F1*', 'f1_mean')):
        expected = arrays[f'{track}_{column}'] * (1 if name == 'threshold' else 100)
        assert metrics[f'flow/{name}[{track}]'] == pytest.approx(expected, abs=1e-10), name
    assert metrics[f'flow/threshold_F1[{track}]'] == pytest.approx(100 * arrays['best_f1'], abs=1e-10)


def binned(arrays):
    """Bins of all images; their lower and upper edges."""
    parts = [quantile_bins(scores[labels == 1], scores[labels == 0])
             for labels, scores in zip(arrays['labels'], arrays['scores'])]
    highest = [scores[labels < 2].max() for labels, scores in zip(arrays['labels'], arrays['scores'])]
    upper = [np.r_[part.edges[1:], max(1, top)] for part, top in zip(parts, highest)]
    return parts, np.concatenate([part.edges for part in parts]), np.concatenate(upper)


def counts_at(parts, positive_scores, negative_scores):
    scores = np.unique(np.r_[positive_scores, negative_scores])[::-1]
    return [np.bincount(np.searchsorted(-scores, -where), np.concatenate([getattr(part, name) for part in parts]), scores.size)
            for name, where in (('positives', positive_scores), ('negatives', negative_scores))]


def test_the_best_pixel_f1_and_its_threshold_are_those_of_the_benchmark(arrays):
    found = best_binned_f1(binned(arrays)[0])
    np.testing.assert_allclose(found, [arrays['best_f1'], arrays['best_f1_threshold']], rtol=0, atol=1e-12)


def test_pixel_metrics_lie_within_the_binning_of_the_benchmark(arrays):
    """Scores lie somewhere in their bins: our numbers and the benchmark's both lie between the extremes of where."""
    parts, lower, upper = binned(arrays)
    worst, best = counts_at(parts, lower, upper), counts_at(parts, upper, lower)
    metrics = evaluate(AnomalyRankingMetric(exact=True, resamples=0), arrays)
    for name, column, function, bound in (
            ('AUROC', 'area_ROC', ranking.auroc, ranking.auroc_bound),
            ('AP', 'area_PRC', ranking.average_precision, ranking.average_precision_bound),
            ('FPR95', 'tpr95_fpr', ranking.fpr_at_tpr, ranking.fpr_at_tpr_bound),
            ('F1', 'best_f1', lambda *counts: ranking.best_f1(*counts)[0], ranking.best_f1_bound)):
        ends = [function(*worst), function(*best)]
        low, high = min(ends) - bound(*worst) - 1e-12, max(ends) + bound(*best) + 1e-12
        for value in (metrics[f'flow/{name}[pooled]'] / 100, arrays[column]):
            assert low <= value <= high, name

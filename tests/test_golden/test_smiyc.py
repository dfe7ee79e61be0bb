"""Component and pixel metrics of the SegmentMeIfYouCan benchmark tool, number by number."""
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmseg_uncertainty.evaluation import AnomalyRankingMetric, ComponentMetric
from mmseg_uncertainty.functional.component_metrics import TRACKS, component_counts, component_overlaps

FOLDER = Path(os.environ.get('GOLDEN_ROOT', Path(__file__).parents[3] / 'shared' / 'golden')) / 'smiyc'
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f'no golden vectors in {FOLDER}; set GOLDEN_ROOT')
META = dict(classes=('in-distribution', 'anomaly'), label_kind='anomaly')
BINNING = 1.  # what 768 bins per frame of the benchmark tool hide, in percent points


@pytest.fixture(scope='module')
def arrays():
    with np.load(FOLDER / 'components.npz', allow_pickle=False) as file:
        return dict(file)


def evaluate(metric, arrays):
    metric.dataset_meta = META
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


def test_pixel_metrics_lie_within_the_binning_of_the_benchmark(arrays):
    metrics = evaluate(AnomalyRankingMetric(exact=True, resamples=0), arrays)
    for name, column in (('AUROC', 'area_ROC'), ('AP', 'area_PRC'), ('F1', 'best_f1'), ('FPR95', 'tpr95_fpr')):
        assert metrics[f'flow/{name}[pooled]'] == pytest.approx(100 * arrays[column], abs=BINNING), name

"""Metrics of the released FlowEneDet code, number by number."""
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from mmseg_uncertainty.evaluation import (AnomalyRankingMetric, ClassIoUMetric, MisclassificationMetric,
                                            PublishedOpenSetMetric)

FOLDER = Path(os.environ.get('GOLDEN_ROOT', Path(__file__).parents[3] / 'shared' / 'golden')) / 'flowenedet'
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f'no golden vectors in {FOLDER}; set GOLDEN_ROOT')


def load(name):
    with np.load(FOLDER / f'{name}.npz', allow_pickle=False) as file:
        return dict(file)


def cases(name):
    return sorted(key[:-2] for key in load(name) if key.endswith('_n')) if FOLDER.is_dir() else []


def samples(arrays, case):
    for index in range(int(arrays[f'{case}_n'])):
        labels, scores, predictions = (arrays.get(f'{case}_{kind}_{index}')
                                       for kind in ('labels', 'scores', 'predictions'))
        sample = dict(
            img_path=f'{index:04}', uncertainty=dict(flow=torch.from_numpy(scores)[None]),
            gt_sem_seg=dict(data=torch.from_numpy(labels.astype(np.int64))[None]))
        if predictions is not None:
            sample['pred_sem_seg'] = dict(data=torch.from_numpy(predictions.astype(np.int64))[None])
        yield sample


def evaluate(metric, arrays, case, **meta):
    metric.dataset_meta = meta
    metric.process({}, list(samples(arrays, case)))
    return metric.evaluate(int(arrays[f'{case}_n']))


def classes(arrays, key):
    return tuple(map(str, range(arrays[key].size)))


@pytest.mark.parametrize('case', cases('metrics_mfishy'))
def test_mfishy(case):
    arrays = load('metrics_mfishy')
    metric = AnomalyRankingMetric('published', exact=True, resamples=0)
    metrics = evaluate(metric, arrays, case, classes=('in', 'out'), label_kind='anomaly')
    values = [metrics[f'flow/{name}[published]'] for name in ('AUROC', 'AP', 'FPR95')]
    np.testing.assert_allclose(values, 100 * arrays[f'{case}_auroc_ap_fpr95'], rtol=0, atol=1e-7)
    np.testing.assert_allclose(values, arrays[f'{case}_printed_percent'], rtol=0, atol=.005 + 1e-9)
    assert metrics['flow/F1_threshold[published]'] == pytest.approx(arrays[f'{case}_max_f1_threshold'], abs=2e-7)


@pytest.mark.parametrize('case', cases('metrics_mours'))
def test_mours(case):
    arrays = load('metrics_mours')
    metric = MisclassificationMetric(protocol='published', exact=True, resamples=0)
    metrics = evaluate(metric, arrays, case, classes=classes(arrays, f'{case}_iou'))
    values = [metrics[f'flow/IDM_{name}[published]'] for name in ('AUROC', 'AP', 'FPR95')]
    np.testing.assert_allclose(values, 100 * arrays[f'{case}_auroc_pr_fpr95'], rtol=0, atol=1e-7)
    threshold = arrays[f'{case}_mean_max_f1_threshold']
    assert metrics['flow/IDM_F1_threshold[published]'] == pytest.approx(threshold, abs=2e-7)


@pytest.mark.parametrize('case', cases('metrics_mours'))
def test_closed_set(case):
    arrays = load('metrics_mours')
    names = classes(arrays, f'{case}_iou')
    metrics = evaluate(ClassIoUMetric(resamples=0), arrays, case, classes=names)
    values = [metrics[f'IoU.{name}[pooled]'] for name in names]
    np.testing.assert_allclose(values, 100 * arrays[f'{case}_iou'], rtol=0, atol=1e-7)
    assert metrics['aAcc[pooled]'] == pytest.approx(100 * arrays[f'{case}_aacc'], abs=1e-7)
    assert metrics['mAcc[pooled]'] == pytest.approx(100 * np.nanmean(arrays[f'{case}_acc']), abs=1e-7)


@pytest.mark.parametrize('case', cases('metrics_oiou'))
def test_oiou(case):
    arrays = load('metrics_oiou')
    metric = PublishedOpenSetMetric()
    metrics = evaluate(metric, arrays, case, classes=classes(arrays, f'{case}_oiou')[:-1])
    assert metrics['flow/threshold[published]'] == pytest.approx(arrays[f'{case}_tau'], abs=2e-7)
    for name, area in metric.areas['flow'].items():
        np.testing.assert_array_equal(area, arrays[f'{case}_area_{name}'])
    for name, key in (('oIoU', 'moiou'), ('oAcc', 'moacc'), ('aAcc', 'aacc')):
        assert metrics[f'flow/{name}[published]'] == pytest.approx(100 * arrays[f'{case}_{key}'], abs=1e-7)

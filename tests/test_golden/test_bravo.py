"""Metrics and index of the BRAVO toolkit, number by number."""
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from mmseg_uncertainty.evaluation import BravoMetric
from mmseg_uncertainty.functional.bravo import (LEVELS, OOD, SEMANTIC, SUBSETS, bravo_index, confidence_levels, ood_metrics,
                                                semantic_metrics)
from mmseg_uncertainty.functional.class_f1 import class_counts
from mmseg_uncertainty.label_values import OUTLIER, VOID

FOLDER = Path(os.environ.get('GOLDEN_ROOT', Path(__file__).parents[3] / 'shared' / 'golden')) / 'bravo'
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f'no golden vectors in {FOLDER}; set GOLDEN_ROOT')
CLASSES = tuple(map(str, range(19)))
NAMES = dict(mIoU='miou_valid', ECE='ece_valid', AUROC='auroc_valid', AP_success='auprc_success_valid',
             AP_error='auprc_error_valid', FPR95='fpr95_valid', OOD_AUROC='auroc_ood', OOD_AP='auprc_ood',
             OOD_FPR95='fpr95_ood')


@pytest.fixture(scope='module')
def arrays():
    with np.load(FOLDER / 'bravo.npz', allow_pickle=False) as file:
        return dict(file)


def expected_of(arrays, subset):
    return {name: float(arrays[f'result/{subset}_{column}']) for name, column in NAMES.items() if name in SUBSETS[subset]}


def metrics_of(arrays, subset):
    labels, predictions, levels, invalid = (arrays[f'{subset}/{name}'] for name in
                                            ('labels', 'predictions', 'confidence', 'invalid'))
    known, altered = labels != VOID, invalid > 0
    valid = known & ~altered
    right, wrong, ood = (np.bincount(levels[mask], minlength=LEVELS) for mask in
                         (valid & (labels == predictions), valid & (labels != predictions), known & altered))
    counts = class_counts(torch.from_numpy(predictions[valid]), torch.from_numpy(labels[valid]), len(CLASSES)).numpy()
    found = semantic_metrics(counts, right, wrong) | ood_metrics(ood, right + wrong)
    return {name: found[name] for name in SUBSETS[subset]}


@pytest.mark.parametrize('subset', SUBSETS)
def test_every_metric_of_a_subset(arrays, subset):
    assert metrics_of(arrays, subset) == pytest.approx(expected_of(arrays, subset), abs=1e-12)


def test_the_index_and_its_means(arrays):
    found = bravo_index({subset: metrics_of(arrays, subset) for subset in SUBSETS})
    for name, value in dict({f'{subset}_hmean': mean for subset, mean in found.subsets.items()}, semantic_hmean=found.semantic,
                            ood_hmean=found.ood, bravo_index=found.index).items():
        assert value == pytest.approx(float(arrays[f'result/{name}']), abs=1e-12), name
    assert found.missing == ()


def samples(arrays):
    for subset in SUBSETS:
        for index, (labels, predictions, levels, invalid) in enumerate(zip(*(
                arrays[f'{subset}/{name}'] for name in ('labels', 'predictions', 'confidence', 'invalid')))):
            known = np.where((invalid > 0) & (labels != VOID), OUTLIER, labels)
            score = 1 - (levels.astype(np.float64) + .5) / LEVELS
            yield dict(img_path=f'{subset}/{index}.png', subset=subset, gt_sem_seg=dict(data=torch.from_numpy(known)[None]),
                       pred_sem_seg=dict(data=torch.from_numpy(predictions.astype(np.int64))[None]),
                       uncertainty=dict(msp=torch.from_numpy(score.astype(np.float32))[None]))


def test_the_evaluator_gives_the_numbers_of_the_toolkit(arrays):
    metric = BravoMetric(resamples=0)
    metric.dataset_meta = dict(classes=CLASSES)
    images = list(samples(arrays))
    for start in range(0, len(images), 4):
        metric.process({}, images[start:start + 4])
    metrics = metric.evaluate(len(images))
    for subset in SUBSETS:
        for name, value in expected_of(arrays, subset).items():
            head = '' if name == 'mIoU' else 'msp/'
            scale = 1 if name == 'ECE' else 100
            assert metrics[f'{head}BRAVO_{name}.{subset}[bravo]'] == pytest.approx(scale * value, abs=1e-9), (subset, name)
        assert metrics[f'msp/BRAVO_hmean.{subset}[bravo]'] == pytest.approx(100 * arrays[f'result/{subset}_hmean'], abs=1e-9)
    for name, column in dict(semantic_hmean='semantic_hmean', OOD_hmean='ood_hmean', index='bravo_index').items():
        assert metrics[f'msp/BRAVO_{name}[bravo]'] == pytest.approx(100 * arrays[f'result/{column}'], abs=1e-9)


def test_levels_survive_single_precision(arrays):
    levels = torch.from_numpy(np.unique(np.concatenate([arrays[f'{subset}/confidence'].ravel() for subset in SUBSETS])).astype(int))
    scores = (1 - (levels.double() + .5) / LEVELS).float()
    assert torch.equal(confidence_levels(1 - scores.double()), levels)


def test_every_metric_has_a_half():
    assert set(NAMES) == {*SEMANTIC, *OOD}

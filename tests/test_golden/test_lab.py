"""Macro F1 of the public lab solution."""
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from mmseg_uncertainty.evaluation import MacroF1Metric
from mmseg_uncertainty.functional.class_f1 import class_counts, f1_per_class, macro_f1

FOLDER = Path(os.environ.get('GOLDEN_ROOT', Path(__file__).parents[3] / 'shared' / 'golden')) / 'lab'
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f'no golden vectors in {FOLDER}; set GOLDEN_ROOT')


@pytest.fixture(scope='module')
def arrays():
    with np.load(FOLDER / 'f1.npz', allow_pickle=False) as file:
        return dict(file)


def test_counts_and_f1_after_every_batch(arrays):
    classes = arrays['logits'].shape[2]
    total = np.zeros((3, classes), np.int64)
    for index, (logits, target) in enumerate(zip(arrays['logits'], arrays['target'])):
        total += class_counts(logits.argmax(1).ravel(), target.ravel(), classes)
        np.testing.assert_allclose(f1_per_class(total, 'perfect'), arrays['per_class_cumulative'][index], atol=1e-12)
        assert macro_f1(total, 'perfect') == pytest.approx(arrays['macro_cumulative'][index], abs=1e-12)
    for row, name in zip(total, ('true_positive', 'false_positive', 'false_negative')):
        np.testing.assert_array_equal(row, arrays[name])


def test_the_evaluator_with_the_published_policy(arrays):
    classes = arrays['logits'].shape[2]
    metric = MacroF1Metric('published', resamples=0)
    metric.dataset_meta = dict(classes=tuple(map(str, range(classes))))
    logits, target = (arrays[name].reshape(-1, *arrays[name].shape[2:]) for name in ('logits', 'target'))
    for index, (scores, labels) in enumerate(zip(logits, target)):
        metric.process({}, [dict(img_path=str(index), pred_sem_seg=dict(data=torch.from_numpy(scores).argmax(0)[None]),
                                 gt_sem_seg=dict(data=torch.from_numpy(labels.astype(np.int64))[None]))])
    metrics = metric.evaluate(len(logits))
    assert metrics['macroF1[published]'] == pytest.approx(100 * arrays['macro_cumulative'][-1], abs=1e-10)


def test_predicting_one_class_everywhere(arrays):
    counts = arrays['class_counts']
    labels = np.repeat(np.arange(counts.size), counts)
    value = macro_f1(class_counts(np.full(labels.size, 12), labels, counts.size), 'zero')
    assert value == pytest.approx(arrays['constant_wall_macro_f1'], abs=1e-12)

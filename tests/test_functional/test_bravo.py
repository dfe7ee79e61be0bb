"""Laws of the metrics of BRAVO, and their agreement with scikit-learn."""
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, jaccard_score, roc_auc_score, roc_curve

from mmseg_uncertainty.functional.bravo import (LEVELS, OOD, SEMANTIC, SUBSETS, bravo_index, confidence_levels,
                                                level_calibration_error, ood_metrics, semantic_metrics)
from mmseg_uncertainty.functional.class_f1 import class_counts


def pixels(seed, size=500, coarse=False):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, size)
    predictions = np.where(random.random(size) < .7, labels, random.integers(0, 5, size))
    levels = (LEVELS * random.beta(4 + 4 * (labels == predictions), 3)).astype(int)
    return labels, predictions, levels // 4096 * 4096 if coarse else levels


def counts(levels, mask):
    return np.bincount(levels[mask], minlength=LEVELS)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 999), coarse=st.booleans())
def test_the_semantic_half_agrees_with_scikit_learn(seed, coarse):
    labels, predictions, levels = pixels(seed, coarse=coarse)
    right = labels == predictions
    classes = class_counts(torch.from_numpy(predictions), torch.from_numpy(labels), 5).numpy()
    false, true, _ = roc_curve(right, levels, drop_intermediate=False)
    confidence = (levels + .5) / LEVELS
    bins = np.minimum((15 * confidence).astype(int), 14)
    gaps = [abs((confidence - right)[bins == index].sum()) for index in range(15)]
    expected = dict(
        mIoU=jaccard_score(labels, predictions, average='macro', labels=np.union1d(labels, predictions)),
        ECE=sum(gaps) / right.size, AUROC=roc_auc_score(right, levels), AP_success=average_precision_score(right, levels),
        AP_error=average_precision_score(~right, -levels), FPR95=false[(true >= .95).argmax()])
    assert semantic_metrics(classes, counts(levels, right), counts(levels, ~right)) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 999))
def test_the_other_half_agrees_with_scikit_learn(seed):
    labels, predictions, levels = pixels(seed)
    invalid = labels != predictions
    false, true, _ = roc_curve(invalid, -levels, drop_intermediate=False)
    expected = dict(OOD_AUROC=roc_auc_score(invalid, -levels), OOD_AP=average_precision_score(invalid, -levels),
                    OOD_FPR95=false[(true >= .95).argmax()])
    assert ood_metrics(counts(levels, invalid), counts(levels, ~invalid)) == pytest.approx(expected, abs=1e-12)


def test_counts_that_keep_the_promise_of_their_levels_have_no_calibration_error():
    levels = np.arange(LEVELS) + .5
    assert level_calibration_error(levels, LEVELS - levels) == pytest.approx(0, abs=1e-12)
    assert level_calibration_error(np.zeros(LEVELS), np.ones(LEVELS)) == pytest.approx(.5)
    assert np.isnan(level_calibration_error(np.zeros(LEVELS), np.zeros(LEVELS)))


def test_levels_are_the_cells_of_a_submission():
    levels = torch.arange(LEVELS)
    assert torch.equal(confidence_levels((levels + .5) / LEVELS), levels)
    assert confidence_levels(torch.tensor([-1., 0., 1., 2.])).tolist() == [0, 0, LEVELS - 1, LEVELS - 1]


def perfect():
    return {subset: {name: 0. if name in ('ECE', 'FPR95', 'OOD_FPR95') else 1. for name in names}
            for subset, names in SUBSETS.items()}


def test_the_index_of_perfection_is_one_and_any_zero_makes_it_zero():
    assert bravo_index(perfect()).index == 1
    for subset, name in (('SMIYC', 'OOD_AP'), ('ACDCfog', 'AUROC'), ('synobjs', 'mIoU')):
        metrics = perfect()
        metrics[subset][name] = 0.
        assert bravo_index(metrics).index == 0
    metrics['synrain']['ECE'] = 1.
    assert bravo_index(metrics).subsets['synrain'] == 0


def test_the_index_counts_what_the_challenge_counts():
    metrics = perfect()
    metrics['synflare'] |= dict.fromkeys(OOD, .1)
    metrics['SMIYC'] |= dict.fromkeys(SEMANTIC, .1)
    assert bravo_index(metrics) == bravo_index(perfect())
    del metrics['synflare']
    assert bravo_index(metrics).missing == ('synflare', )
    metrics['SMIYC']['OOD_AP'] = float('nan')
    assert np.isnan(bravo_index(metrics).index) and bravo_index(metrics).semantic == 1

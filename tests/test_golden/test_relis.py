"""Calibration, rejection and detection numbers of the released RELIS code."""
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from mmseg_uncertainty.evaluation import CalibrationMetric
from mmseg_uncertainty.functional import calibration_error as ce
from mmseg_uncertainty.functional import ranking, risk_coverage
from mmseg_uncertainty.functional.score_histogram import rank_exactly
from mmseg_uncertainty.functional.softmax_statistics import softmax_statistics

FOLDER = Path(os.environ.get('GOLDEN_ROOT', Path(__file__).parents[3] / 'shared' / 'golden')) / 'relis'
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f'no golden vectors in {FOLDER}; set GOLDEN_ROOT')
SUBSETS = ('all', 'in_domain', 'shifted')
VOID = 255


def load(name):
    with np.load(FOLDER / f'{name}.npz', allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope='module')
def inputs():
    return load('inputs')


def subset(inputs, name):
    inside = inputs['in_domain'] == 1
    return {'all': np.ones_like(inside), 'in_domain': inside, 'shifted': ~inside}[name]


def pixels(inputs, name, temperature=1.):
    chosen = subset(inputs, name)
    logits = torch.from_numpy(inputs['logits'][chosen]).flatten(0, 1).T / temperature
    labels = inputs['train_id'][chosen].ravel()
    return logits, labels


def labelled(inputs, name, temperature=1.):
    logits, labels = pixels(inputs, name, temperature)
    keep = labels != VOID
    return softmax_statistics(logits[:, keep], torch.from_numpy(labels[keep].astype(np.int64))), labels[keep]


def exact_errors(confidence, correct, bins=15):
    in_order = ce.sorted_sums(confidence, correct)
    return [float(value) for value in (ce.expected_calibration_error(ce.reliability_sums(confidence, correct, bins)),
                                       ce.published_adaptive_calibration_error(in_order, bins),
                                       ce.kolmogorov_smirnov_error(in_order))]


def calibration_keys():
    return sorted(key for key in load('calibration') if '_T' in key) if FOLDER.is_dir() else []


@pytest.mark.parametrize('key', calibration_keys())
def test_calibration(inputs, key):
    name, temperature = key.rsplit('_T', 1)
    statistics, _ = labelled(inputs, name, float(temperature))
    errors = exact_errors(statistics.confidence, statistics.correct)
    np.testing.assert_allclose(errors, load('calibration')[key], rtol=0, atol=1e-6)


def test_other_numbers_of_bins(inputs):
    arrays, (statistics, _) = load('calibration'), labelled(inputs, 'all')
    for bins in sorted(int(key.removeprefix('ece_bins')) for key in arrays if key.startswith('ece_bins')):
        ece, adaptive, _ = exact_errors(statistics.confidence, statistics.correct, bins)
        assert ece == pytest.approx(arrays[f'ece_bins{bins}'], abs=1e-6)
        assert adaptive == pytest.approx(arrays[f'ada_ece_bins{bins}'], abs=1e-6)


def test_class_wise_errors(inputs):
    arrays, (statistics, labels) = load('calibration'), labelled(inputs, 'all')
    probabilities = statistics.probabilities.numpy()
    errors = [exact_errors(probabilities[index], labels == index) for index in range(len(probabilities))]
    for column, key in enumerate(('classwise_ece15', 'classwise_ada_ece15', 'classwise_ks')):
        np.testing.assert_allclose([row[column] for row in errors], arrays[key], rtol=0, atol=1e-6)


@pytest.mark.parametrize('name', SUBSETS)
def test_the_streaming_evaluator_gives_the_same(inputs, name):
    metric = CalibrationMetric('published', resamples=0)
    metric.dataset_meta = dict(classes=tuple(map(str, range(inputs['logits'].shape[-1]))))
    chosen = subset(inputs, name)
    for index, (logits, labels) in enumerate(zip(inputs['logits'][chosen], inputs['train_id'][chosen])):
        metric.process({}, [dict(img_path=f'{index:04}', seg_logits=dict(data=torch.from_numpy(logits.T)[..., None]),
                                 pred_sem_seg=dict(data=torch.from_numpy(logits.argmax(1))[None, :, None]),
                                 gt_sem_seg=dict(data=torch.from_numpy(labels.astype(np.int64))[None, :, None]))])
    metrics = metric.evaluate(int(chosen.sum()))
    ece, adaptive, smirnov = load('calibration')[f'{name}_T1.0']
    assert metrics['ECE[published]'] == pytest.approx(ece, abs=1e-6)
    assert metrics['KS[published]'] == pytest.approx(smirnov, abs=metrics['KS_bound[published]'] + 1e-6)
    assert metrics['adaptive_ECE[published]'] == pytest.approx(adaptive, abs=2e-3)
    if name == 'all':
        classwise = load('calibration')['classwise_ece15'].mean()
        assert metrics['classwise_ECE[published]'] == pytest.approx(classwise, abs=1e-6)


def confidence(logits, kind):
    probabilities = logits.double().softmax(0)
    if kind == 'prob':
        return (probabilities.amax(0) + 1e-16).numpy()
    return (probabilities * (probabilities + 1e-16).log()).sum(0).numpy()


@pytest.mark.parametrize('kind', ['prob', 'entropy'])
@pytest.mark.parametrize('name', SUBSETS)
def test_rejection(inputs, name, kind):
    arrays = load('rejection')
    logits, labels = pixels(inputs, name)
    certain, wrong = confidence(logits, kind), logits.argmax(0).numpy() != labels
    for suffix, published, keep in (('_with_void', '_with_void', labels >= 0), ('', '_void_dropped', labels != VOID)):
        ranked = rank_exactly(-certain[keep & wrong], -certain[keep & ~wrong])
        counts = ranked.positives, ranked.negatives
        error = ranked.positives.sum() / keep.sum()
        assert error == pytest.approx(arrays[f'{name}_error{suffix}'], abs=1e-12)
        right = risk_coverage.prediction_rejection_ratio(*counts)
        assert right == pytest.approx(arrays[f'{name}_{kind}_corrected{suffix}'], abs=1e-4)
        released = risk_coverage.published_rejection_ratio(*counts)
        assert released == pytest.approx(arrays[f'{name}_{kind}{published}'], abs=2e-3)


def test_perfect_ranking_as_released_and_as_it_should_be():
    arrays = load('rejection')
    for error, released in zip(arrays['perfect_ranking_error'], arrays['perfect_ranking_prr']):
        wrong = np.arange(4000) < round(4000 * error)
        assert risk_coverage.published_rejection_ratio(wrong, ~wrong) == pytest.approx(released, abs=2e-3)
        assert risk_coverage.prediction_rejection_ratio(wrong, ~wrong) == pytest.approx(100)


@pytest.mark.parametrize('kind', ['prob', 'entropy'])
def test_image_level_detection(inputs, kind):
    arrays = load('detection')
    means = np.array([confidence(torch.from_numpy(logits.T), kind).mean(dtype=float) for logits in inputs['logits']])
    np.testing.assert_allclose(means, arrays[f'image_confidence_{kind}'], rtol=0, atol=1e-6)
    inside = inputs['in_domain'] == 1
    ranked = rank_exactly(-means[~inside], -means[inside])
    assert ranking.auroc(ranked.positives, ranked.negatives) == pytest.approx(arrays[f'image_{kind}_auroc'], abs=1e-9)


@pytest.mark.parametrize('kind', ['prob', 'entropy'])
def test_local_detection(inputs, kind):
    arrays = load('detection')
    chosen = subset(inputs, 'shifted')
    raw = inputs['raw_label_image'].reshape(len(chosen), -1)
    raw = np.take_along_axis(raw, inputs['sample_index'], 1)[chosen].ravel()
    logits, labels = pixels(inputs, 'shifted')
    certain = confidence(logits, kind)
    for key in (key for key in arrays if key.startswith(f'local_{kind}_')):
        novel = np.isin(raw, [int(value) for value in key.split('_')[2:-1]])
        ranked = rank_exactly(-certain[novel], -certain[labels != VOID])
        assert ranking.auroc(ranked.positives, ranked.negatives) == pytest.approx(arrays[key], abs=1e-5)

"""Intervals of the evaluators against exact bootstraps in NumPy: weighted pixels of scenes, in float64."""
import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, jaccard_score, roc_auc_score

from mmseg_uncertainty.evaluation import (AnomalyRankingMetric, CalibrationMetric, ClassIoUMetric, CoverageMetric,
                                          ImageOODMetric, MacroF1Metric, MisclassificationMetric, OpenSetMetric)
from mmseg_uncertainty.evaluation.metrics import pixel_ranking_metric
from mmseg_uncertainty.functional.bootstrap import resample_two_samples

ANOMALIES = dict(classes=('in-distribution', 'anomaly'), label_kind='anomaly')
CLASSES = dict(classes=tuple('abcd'))
RESAMPLES = 150


def drawn_images(scenes, resamples=RESAMPLES, seed=0):
    """Occurrences of the images, by drawing scene after scene."""
    names = sorted(set(scenes))
    draws = np.random.default_rng(seed).multinomial(len(names), [1 / len(names)] * len(names), size=resamples)
    return np.stack([[draw[names.index(scene)] for scene in scenes] for draw in draws])


def percentiles(values):
    return np.nanquantile(values, [.025, .975])


def ends(metrics, name, protocol='pooled'):
    return [metrics[f'{name}_{side}[{protocol}]'] for side in ('low', 'high')]


def fpr95(wrong, scores, weights):
    thresholds = np.unique(scores)[::-1]
    order = np.argsort(-scores, kind='stable')
    ranks = np.searchsorted(-scores[order], -thresholds, side='right')
    true, false = (np.r_[0, np.cumsum((weights * part)[order])][ranks] for part in (wrong, ~wrong))
    return false[np.argmax(true >= .95 * true[-1] - 1e-9)] / false[-1]


RANKINGS = {'AUROC': lambda *sides: roc_auc_score(sides[0], sides[1], sample_weight=sides[2]),
            'AP': lambda *sides: average_precision_score(sides[0], sides[1], sample_weight=sides[2]), 'FPR95': fpr95}


@pytest.fixture(scope='module')
def gaussian():
    """Labels and scores of 24 images of 8 scenes whose separations differ, without offset and scale."""
    random = np.random.default_rng(1)
    separations = 1.2 + random.normal(size=8)
    images = []
    for index in range(24):
        labels = random.random((25, 24)) < .2
        images.append((f'{index // 3:02}', labels, random.normal(size=labels.shape) + separations[index // 3] * labels))
    return images


@pytest.mark.parametrize('offset, scale', [(0, 1), (500, 1), (1000, .2), (.95, 1e-5), (-.2294, 1e-6)])
@pytest.mark.parametrize('by', ['scene', 'image'])
def test_ranking_intervals_are_those_of_every_single_score(evaluate, sample, gaussian, offset, scale, by):
    samples = [sample(f'{index:02}.png', labels.astype(int), dict(h=(offset + scale * scores).astype(np.float32)),
                      scene=scene) for index, (scene, labels, scores) in enumerate(gaussian)]
    metric = AnomalyRankingMetric(resamples=RESAMPLES, resample_by=by)
    metrics = evaluate(metric, samples[::-1], ANOMALIES)
    assert metric.provenance['resampled'] == dict(unit=f'{by}s', count=8 if by == 'scene' else 24)
    units = [f'{scene if by == "scene" else index}' for index, (scene, *_) in enumerate(gaussian)]
    wrong = np.concatenate([labels.ravel() for _, labels, _ in gaussian])
    scores = np.concatenate([part['uncertainty']['h'].numpy().ravel() for part in samples]).astype(float)
    images = np.repeat(np.arange(24), gaussian[0][1].size)
    order = {unit: index for index, unit in enumerate(sorted(set(units), key=lambda unit: f'{unit:>02}'))}
    weights = drawn_images([order[unit] for unit in units])
    for name, statistic in RANKINGS.items():
        exact = percentiles([100 * statistic(wrong, scores, draw[images]) for draw in weights])
        for side, found, expected in zip(('low', 'high'), ends(metrics, f'h/{name}'), exact):
            bound = metrics[f'h/{name}_{side}_bound[pooled]']
            assert found == pytest.approx(expected, abs=min(bound, .25))
            assert bound < 2


def test_equal_resamples_of_few_scenes_are_ranked_once(evaluate, sample, gaussian, monkeypatch):
    samples = [sample(f'{index:02}.png', labels.astype(int), dict(h=scores.astype(np.float32)), scene=f'{index // 8}')
               for index, (_, labels, scores) in enumerate(gaussian)]
    ranked, once = [], pixel_ranking_metric.resampled_rankings
    monkeypatch.setattr(pixel_ranking_metric, 'resampled_rankings',
                        lambda counts, weights: ranked.append(len(weights)) or once(counts, weights))
    metrics = evaluate(AnomalyRankingMetric(resamples=RESAMPLES), samples, ANOMALIES)
    assert ranked == [1, 10]  # of three scenes, three are drawn with replacement in ten ways
    wrong = np.concatenate([labels.ravel() for _, labels, _ in gaussian])
    scores = np.concatenate([part['uncertainty']['h'].numpy().ravel() for part in samples]).astype(float)
    images = np.repeat(np.arange(24), gaussian[0][1].size)
    exact = percentiles([100 * roc_auc_score(wrong, scores, sample_weight=draw[images])
                         for draw in drawn_images([index // 8 for index in range(24)])])
    assert ends(metrics, 'h/AUROC') == pytest.approx(exact, abs=.25)


def test_an_interval_of_one_scene_is_undefined(evaluate, sample, gaussian):
    samples = [sample(f'{index:02}.png', labels.astype(int), dict(h=scores.astype(np.float32)), sequence='film')
               for index, (_, labels, scores) in enumerate(gaussian)]
    metric = AnomalyRankingMetric(resamples=20)
    metrics = evaluate(metric, samples, ANOMALIES)
    assert np.isnan(ends(metrics, 'h/AUROC')).all() and np.isfinite(metrics['h/AUROC[pooled]'])
    assert metric.provenance['resampled'] == dict(unit='scenes', count=1)
    by_image = evaluate(AnomalyRankingMetric(resamples=20, resample_by='image'), samples, ANOMALIES)
    assert np.isfinite(ends(by_image, 'h/AUROC')).all()
    with pytest.raises(ValueError, match="resample_by='frame'"):
        AnomalyRankingMetric(resample_by='frame')


def scenes_of(samples, per_scene=2):
    for index, part in enumerate(samples):
        part['scene'] = f'{index // per_scene}'
    return [part['scene'] for part in samples]


def pixels_of(samples):
    labels, predictions = (np.concatenate([part[name]['data'].numpy().ravel() for part in samples])
                           for name in ('gt_sem_seg', 'pred_sem_seg'))
    images = np.repeat(np.arange(len(samples)), [part['gt_sem_seg']['data'].numel() for part in samples])
    known = labels != 255
    return labels[known], predictions[known], images[known], known


@pytest.mark.parametrize('kind, key, reference', [
    (ClassIoUMetric, 'mIoU',
     lambda *sides: jaccard_score(*sides[:2], sample_weight=sides[2], average=None, labels=range(4))),
    (MacroF1Metric, 'macroF1', lambda *sides: f1_score(*sides[:2], sample_weight=sides[2], average=None, labels=range(4)))])
@pytest.mark.filterwarnings('ignore')
def test_macro_means_keep_their_classes(evaluate, class_samples, kind, key, reference):
    samples = class_samples(8)
    for index, part in enumerate(samples):  # class d is shown and predicted in the last scene alone
        for name in ('gt_sem_seg', 'pred_sem_seg'):
            data = part[name]['data']
            data[data == 3] = 3 if index > 5 else 1
    scenes = scenes_of(samples)
    metrics = evaluate(kind(resamples=RESAMPLES), samples, CLASSES)
    labels, predictions, images, _ = pixels_of(samples)
    whole = reference(labels, predictions, np.ones(labels.size))
    assert metrics[f'{key}[pooled]'] == pytest.approx(100 * whole.mean())
    means = []
    for draw in drawn_images(scenes):
        each = reference(labels, predictions, draw[images].astype(float))
        lacks = not draw[images[(labels == 3) | (predictions == 3)]].any()
        means.append(100 * np.where((np.arange(4) == 3) & lacks, whole, each).mean())
    np.testing.assert_allclose(ends(metrics, key), percentiles(means), rtol=1e-9)


def test_open_set_means_keep_their_classes(evaluate, class_samples):
    samples = class_samples(8)
    for index, part in enumerate(samples):
        for name in ('gt_sem_seg', 'pred_sem_seg'):
            data = part[name]['data']
            data[data == 3] = 3 if index > 5 else 1
    scenes = scenes_of(samples)
    metrics = evaluate(OpenSetMetric(threshold=.37, resamples=RESAMPLES), samples, CLASSES)
    labels, predictions, images, known = pixels_of(samples)
    scores = np.concatenate([part['uncertainty']['msp'].numpy().ravel() for part in samples])[known]
    claim = np.where(scores >= .37, 9, predictions)

    def each(weights):
        both, either = (np.array([weights[part(label)].sum() for label in range(4)]) for part in (
            lambda label: (labels == label) & (claim == label), lambda label: (labels == label) | (claim == label)))
        return np.divide(both, either, out=np.full(4, np.nan), where=either > 0)

    whole = each(np.ones(labels.size))
    means = [each(draw[images].astype(float)) for draw in drawn_images(scenes)]
    means = [100 * np.where(np.isnan(part), whole, part).mean() for part in means]
    np.testing.assert_allclose(ends(metrics, 'msp/oIoU'), percentiles(means), rtol=1e-9)


def test_calibration_intervals(evaluate, class_samples):
    samples = class_samples(8)
    scenes = scenes_of(samples)
    samples[3]['gt_sem_seg']['data'].fill_(255)
    pooled, averaged = (evaluate(CalibrationMetric(protocol, resamples=RESAMPLES), samples, CLASSES)
                        for protocol in ('pooled', 'per_image'))
    labels, _, images, known = pixels_of(samples)
    logits = np.concatenate([part['seg_logits']['data'].numpy().reshape(4, -1) for part in samples], 1)
    logits = logits[:, known].astype(float)
    probabilities = np.exp(logits - logits.max(0))
    probabilities /= probabilities.sum(0)
    confidence, correct = probabilities.max(0), probabilities.argmax(0) == labels
    nll = -np.log(probabilities[labels, np.arange(labels.size)])
    brier = ((probabilities - (np.arange(4)[:, None] == labels))**2).sum(0)
    bins = np.ceil(confidence * 15).astype(int) - 1

    def numbers(weights):
        gaps = np.bincount(bins, weights * (confidence - correct), 15)
        return np.array([np.abs(gaps).sum(), (weights * nll).sum(), (weights * brier).sum()]) / weights.sum()

    draws = drawn_images(scenes)
    exact = np.array([numbers(draw[images].astype(float)) for draw in draws])
    labelled = np.flatnonzero(np.bincount(images, minlength=8))
    assert 3 not in labelled
    alone = np.array([numbers((images == index).astype(float)) for index in labelled])
    means = (draws[:, labelled] @ alone) / draws[:, labelled].sum(1, keepdims=True)
    for column, name in enumerate(('ECE', 'NLL', 'Brier')):
        np.testing.assert_allclose(ends(pooled, name), percentiles(exact[:, column]), rtol=1e-5, atol=1e-7)
        assert averaged[f'{name}[per_image]'] == pytest.approx(alone[:, column].mean(), rel=1e-5)
        np.testing.assert_allclose(ends(averaged, name, 'per_image'), percentiles(means[:, column]), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize('protocol', ['per_image', 'published'])
def test_means_over_images_divide_by_the_images_drawn(evaluate, class_samples, protocol):
    samples = class_samples(9)
    scenes = scenes_of(samples, 3)
    labels = samples[4]['gt_sem_seg']['data']
    samples[4]['pred_sem_seg']['data'].copy_(labels.where(labels < 255, 0))
    metrics = evaluate(MisclassificationMetric(protocol=protocol, resamples=RESAMPLES), samples, CLASSES)
    areas = []
    for part in samples:
        known = part['gt_sem_seg']['data'] != 255
        wrong = (part['pred_sem_seg']['data'] != part['gt_sem_seg']['data'])[known].numpy()
        areas.append(roc_auc_score(wrong, part['uncertainty']['msp'][known].numpy()) if wrong.any() else np.nan)
    areas, defined = 100 * np.nan_to_num(areas), ~np.isnan(areas)
    assert not defined[4]
    means = [(draw * defined) @ areas / (draw @ defined) for draw in drawn_images(scenes)]
    assert metrics[f'msp/IDM_AUROC[{protocol}]'] == pytest.approx(areas[defined].mean(), abs=1e-3)
    np.testing.assert_allclose(ends(metrics, 'msp/IDM_AUROC', protocol), percentiles(means), atol=2e-3)


@pytest.fixture
def covered(sample):
    """Sets of 12 images of 6 scenes with pixels whose labels are known by heart, one of them void alone."""
    random, samples = np.random.default_rng(4), []
    for index in range(12):
        labels = random.integers(0, 3 if index < 10 else 4, (9, 11))
        labels[random.random(labels.shape) < .1] = 255
        labels[:] = 255 if index == 5 else labels
        membership = random.random((4, 9, 11)) < np.array([.95, .9, .6, .5])[:, None, None] - .02 * index
        part = sample(f'{index:02}.png', labels, scene=f'{index // 2}')
        part['prediction_set'] = dict(membership=torch.from_numpy(membership),
                                      size=torch.from_numpy(membership.sum(0, keepdims=True)))
        samples.append(part)
    return samples


def test_coverage_and_its_intervals(evaluate, covered):
    metrics = evaluate(CoverageMetric(required_coverage=.75, resamples=RESAMPLES), covered, CLASSES)
    rows = []
    for index, part in enumerate(covered):
        labels, sets = part['gt_sem_seg']['data'][0].numpy(), part['prediction_set']['membership'].numpy()
        known = labels != 255
        held = np.take_along_axis(sets, np.where(known, labels, 0)[None], 0)[0]
        rows += zip(labels[known], held[known], sets.sum(0)[known], np.full(known.sum(), index))
    label, held, size, image = np.array(rows).T
    shown = np.setdiff1d(np.arange(12), 5)
    misses = np.array([1 - held[image == index].mean() for index in shown])
    sizes = np.array([size[image == index].mean() for index in shown])
    with_class = [np.flatnonzero([((image == index) & (label == 3)).any() for index in range(12)])][0]
    class_misses = np.array([1 - held[(image == index) & (label == 3)].mean() for index in with_class])
    assert with_class.tolist() == [10, 11]
    draws = drawn_images([part['scene'] for part in covered])

    def mean(each, images):
        weights = draws[:, images]
        return (weights @ each) / np.where(weights.sum(1), weights.sum(1), np.nan)

    expected = {'risk': (misses, shown), 'binary_risk': (misses > .25, shown), 'mean_size': (sizes, shown),
                'miss.d': (class_misses, with_class)}
    for name, (each, images) in expected.items():
        assert metrics[f'set/{name}[pooled]'] == pytest.approx(each.mean()), name
        np.testing.assert_allclose(ends(metrics, f'set/{name}'), percentiles(mean(each, images)), rtol=1e-9, err_msg=name)
    pooled = [np.average(held, weights=draw[image]) for draw in draws]
    np.testing.assert_allclose(ends(metrics, 'set/coverage'), percentiles(pooled), rtol=1e-9)
    whole = np.array([held[label == index].mean() for index in range(4)])
    worst = []
    for draw in draws:
        drawn = [draw[image] * (label == index) for index in range(4)]
        worst.append(min(np.average(held, weights=part) if part.any() else whole[index] for index, part in enumerate(drawn)))
    assert metrics['set/coverage.worst_class[pooled]'] == pytest.approx(whole.min())
    np.testing.assert_allclose(ends(metrics, 'set/coverage.worst_class'), percentiles(worst), rtol=1e-9)


def test_both_domains_are_resampled_apart(evaluate, sample):
    random, samples = np.random.default_rng(2), []
    for index in range(24):
        level = random.integers(0, 6) + (index % 2) * 1.5 // 1
        samples.append(sample(f'{"clear" if index % 2 else "fog"}/{index:02}.png', np.zeros((2, 3), int),
                              dict(msp=np.full((2, 3), level, np.float32)), scene=f'{index // 2 * 2 + index % 2:02}'))
    metrics = evaluate(ImageOODMetric(in_domain='clear', resamples=4000), samples, CLASSES)
    levels = np.array([part['uncertainty']['msp'].mean() for part in samples])
    fog, clear = levels[0::2], levels[1::2]
    wins = (fog[:, None] > clear) + .5 * (fog[:, None] == clear)
    assert metrics['msp/OOD-image_AUROC[pooled]'] == pytest.approx(100 * wins.mean())
    generator = np.random.default_rng(99)
    draws = [generator.multinomial(12, [1 / 12] * 12, size=20_000) for _ in range(2)]
    exact = percentiles(100 * ((draws[0] @ wins) * draws[1]).sum(1) / 144)
    np.testing.assert_allclose(ends(metrics, 'msp/OOD-image_AUROC'), exact, atol=1.5)


def test_scenes_of_a_domain_may_differ_in_size(evaluate, sample):
    random, samples = np.random.default_rng(3), []
    for domain, sizes in (('clear', (1, 5, 2, 4)), ('fog', (6, 1, 3))):
        for scene, size in enumerate(sizes):
            for index in range(size):
                level = random.normal() + 2 * (domain == 'fog') + scene
                samples.append(sample(f'{domain}/{scene}{index}.png', np.zeros((2, 3), int),
                                      dict(msp=np.full((2, 3), level, np.float32)), scene=f'{domain} {scene}'))
    metrics = evaluate(ImageOODMetric(in_domain='clear', resamples=RESAMPLES), samples, CLASSES)
    units = np.array([f'scene {part["scene"]}' for part in samples])
    levels, fog = np.array([float(part['uncertainty']['msp'].mean()) for part in samples]), np.arange(22) >= 12
    draws = np.zeros((RESAMPLES, 22))
    draws[:, fog], draws[:, ~fog] = resample_two_samples(units[fog], units[~fog], RESAMPLES, 0)
    areas = [roc_auc_score(fog, levels, sample_weight=draw) for draw in draws]
    np.testing.assert_allclose(ends(metrics, 'msp/OOD-image_AUROC'), 100 * np.array(percentiles(areas)), rtol=1e-6)


def test_images_that_are_all_alike_leave_no_interval(evaluate, sample, gaussian):
    _, labels, scores = gaussian[0]
    samples = [sample(f'{index:02}.png', labels.astype(int), dict(h=scores.astype(np.float32))) for index in range(5)]
    metrics = evaluate(AnomalyRankingMetric(resamples=20), samples, ANOMALIES)
    for name in ('AUROC', 'AP', 'FPR95', 'F1'):
        np.testing.assert_allclose(ends(metrics, f'h/{name}'), metrics[f'h/{name}[pooled]'], rtol=1e-9)

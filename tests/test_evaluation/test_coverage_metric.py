import numpy as np
import pytest
import torch

from mmseg_uncertainty.evaluation import evaluator_config
from mmseg_uncertainty.evaluation.metrics import CoverageMetric
from mmseg_uncertainty.functional.prediction_sets import SetFamily

META = dict(classes=('road', 'car', 'sky', 'tree'))


def set_samples(class_samples, threshold=0.2, images=6):
    samples = class_samples(images)
    for sample in samples:
        membership = SetFamily().sets(sample['seg_logits']['data'][None].softmax(1), threshold)[0]
        sample['prediction_set'] = dict(membership=membership, size=membership.sum(0, keepdim=True))
    return samples


def pixels(samples):
    """Label, coverage, set size and image of every labelled pixel."""
    columns = []
    for index, sample in enumerate(samples):
        labels, membership = sample['gt_sem_seg']['data'][0].numpy(), sample['prediction_set']['membership'].numpy()
        valid = labels != 255
        covered = np.take_along_axis(membership, np.where(valid, labels, 0)[None], 0)[0]
        columns.append(np.stack([labels[valid], covered[valid], membership.sum(0)[valid], np.full(valid.sum(), index)]))
    return np.concatenate(columns, axis=1)


@pytest.fixture
def measured(class_samples, evaluate):
    samples = set_samples(class_samples)
    return evaluate(CoverageMetric(resamples=50), samples, META), pixels(samples)


def test_ratios_are_those_of_all_pixels(measured):
    results, (label, covered, size, _) = measured
    get = {key: results[f'set/{key}[pooled]'] for key in ('coverage', 'singletons', 'full', 'empty')}
    assert get['coverage'] == pytest.approx(covered.mean())
    assert [get['empty'], get['singletons'], get['full']] == pytest.approx([np.mean(size == n) for n in (0, 1, 4)])
    for index, name in enumerate(META['classes']):
        assert results[f'set/coverage.{name}[pooled]'] == pytest.approx(covered[label == index].mean())
    strata = {n: covered[size == n].mean() for n in np.unique(size)}
    for n, coverage in strata.items():
        assert results[f'set/coverage.size{n}[pooled]'] == pytest.approx(coverage)
    assert results['set/coverage.worst_size[pooled]'] == pytest.approx(
        min(coverage for n, coverage in strata.items() if np.mean(size == n) >= 1e-3))


def test_risks_and_sizes_are_means_over_images(measured):
    results, (_, covered, size, image) = measured
    shares = np.array([covered[image == index].mean() for index in range(6)])
    assert results['set/risk[pooled]'] == pytest.approx(1 - shares.mean())
    assert results['set/binary_risk[pooled]'] == pytest.approx((shares < 0.9).mean())
    label = measured[1][0]
    shown = [index for index in range(6) if ((image == index) & (label == 1)).any()]
    missed = [1 - covered[(image == index) & (label == 1)].mean() for index in shown]
    assert results['set/miss.car[pooled]'] == pytest.approx(np.mean(missed))
    assert results['set/mean_size[pooled]'] == pytest.approx(np.mean([size[image == n].mean() for n in range(6)]))


def test_the_order_of_the_images_does_not_matter(class_samples, evaluate):
    samples = set_samples(class_samples)
    assert evaluate(CoverageMetric(), samples, META) == evaluate(CoverageMetric(), samples[::-1], META, batch=4)


def test_absent_classes_are_not_a_number_and_never_the_worst(class_samples, evaluate):
    results = evaluate(CoverageMetric(resamples=0), set_samples(class_samples)[:1], dict(classes=META['classes']))
    samples = set_samples(class_samples)[:1]
    samples[0]['gt_sem_seg']['data'][samples[0]['gt_sem_seg']['data'] == 2] = 255
    without = evaluate(CoverageMetric(resamples=0), samples, META)
    assert np.isnan(without['set/coverage.sky[pooled]']) and np.isfinite(without['set/coverage.worst_class[pooled]'])
    assert np.isfinite(results['set/coverage.sky[pooled]'])


def test_splits_are_reported(class_samples, evaluate, monkeypatch):
    warnings = []
    monkeypatch.setattr(CoverageMetric, 'warn', lambda self, message: warnings.append(message))
    metric = CoverageMetric(resamples=0)
    for split in (dict(part='test', by='image'), dict(part='calibration', by='block'), dict(part='test', by='block')):
        evaluate(metric, set_samples(class_samples), dict(META, split=split))
        assert metric.provenance['split'] == split
    assert len(warnings) == 2 and 'not exchangeable' in warnings[0] and 'calibrated the sets' in warnings[1]


def test_mistakes_are_named(class_samples, evaluate):
    with pytest.raises(ValueError, match='carries no prediction set'):
        evaluate(CoverageMetric(), class_samples(1), META)
    samples = set_samples(class_samples, images=1)
    samples[0]['prediction_set']['membership'] = torch.ones(3, 2, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match='has shape'):
        evaluate(CoverageMetric(), samples, META)
    with pytest.raises(ValueError, match='required_coverage=0'):
        CoverageMetric(required_coverage=0)
    assert evaluator_config('coverage')['type'] == 'CoverageMetric'


def known_sets(sample, shares, size=40):
    """Images of one class of which given shares of the pixels are covered, and of which the last row is void."""
    samples = []
    for index, share in enumerate(shares):
        labels, covered = np.zeros((2, size), int), np.arange(size) < share * size
        labels[1] = 255
        membership = np.stack([np.stack([covered] * 2), *np.ones((3, 2, size), bool)])
        part = sample(f'{index}.png', labels)
        part['prediction_set'] = dict(membership=torch.from_numpy(membership))
        samples.append(part)
    return samples


def test_exactly_the_required_coverage_is_enough(sample, evaluate):
    samples = known_sets(sample, [.9, .925, .875, 1.])
    results = evaluate(CoverageMetric(required_coverage=.9, resamples=0), samples, META)
    assert results['set/binary_risk[pooled]'] == .25
    assert results['set/risk[pooled]'] == pytest.approx(.3 / 4)
    # 1 - 0.7 is a little more than 0.3.
    results = evaluate(CoverageMetric(required_coverage=1 - .7, resamples=0), known_sets(sample, [.3, .275]), META)
    assert results['set/binary_risk[pooled]'] == .5


def test_images_of_void_alone_count_nowhere(sample, evaluate):
    samples = known_sets(sample, [.9, .5])
    before = evaluate(CoverageMetric(resamples=0), samples, META)
    void = known_sets(sample, [.2, .3, .4])[2]
    void['gt_sem_seg']['data'].fill_(255)
    after = evaluate(CoverageMetric(resamples=0), [*samples, void], META)
    np.testing.assert_equal(after, before)


def test_strata_of_few_pixels_are_never_the_worst(sample, evaluate):
    samples = known_sets(sample, [1.], 100)
    samples[0]['gt_sem_seg']['data'][0, 0, :2] = 1
    samples[0]['prediction_set']['membership'][1, 0, 0] = False
    for share, worst in ((.02, .5), (.021, 1.)):
        results = evaluate(CoverageMetric(smallest_stratum=share, resamples=0), samples, META)
        assert results['set/coverage.worst_class[pooled]'] == worst
        assert results['set/coverage.car[pooled]'] == .5

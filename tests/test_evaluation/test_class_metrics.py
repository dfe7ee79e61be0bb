"""``--eval mIoU``, ``mFscore`` and ``macroF1`` against mmseg and scikit-learn."""
import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from sklearn.metrics import f1_score

from mmseg_uncertainty.evaluation import ClassIoUMetric, MacroF1Metric, evaluator_config

META = dict(classes=tuple('abcd'), dataset_name='toy streets')


@pytest.mark.parametrize('quantity, names', [('mIoU', ['mIoU', 'mAcc', 'aAcc']),
                                             ('mFscore', ['mFscore', 'mPrecision', 'mRecall'])])
def test_numbers_are_those_of_mmseg(evaluate, class_samples, quantity, names):
    samples = class_samples()
    metrics = evaluate(ClassIoUMetric(quantity), samples, META)
    reference = evaluate(IoUMetric(iou_metrics=[quantity]), samples, META)
    for name in names:
        assert metrics[f'{name}[pooled]'] == pytest.approx(reference[name], abs=.00501)
    assert metrics[f'{quantity}_low[pooled]'] <= metrics[f'{quantity}[pooled]'] <= metrics[f'{quantity}_high[pooled]']


def test_macro_f1_is_that_of_scikit_learn(evaluate, class_samples):
    samples = class_samples()
    labels, predictions = (torch.cat([part[name]['data'].flatten() for part in samples]).numpy()
                           for name in ('gt_sem_seg', 'pred_sem_seg'))
    expected = f1_score(labels[labels != 255], predictions[labels != 255], average='macro')
    assert evaluate(MacroF1Metric(), samples, META)['macroF1[pooled]'] == pytest.approx(100 * expected)


def test_absent_classes_follow_the_policy(evaluate, class_samples):
    meta = dict(classes=tuple('abcdz'))
    samples = class_samples()
    values = {policy: evaluate(MacroF1Metric(absent=policy, resamples=0), samples, meta)
              for policy in ('ignore', 'perfect', 'zero')}
    ignore = values['ignore']['macroF1[pooled]']
    assert values['zero']['macroF1[pooled]'] == pytest.approx(ignore * 4 / 5)
    assert values['perfect']['macroF1[pooled]'] == pytest.approx((4 * ignore + 100) / 5)
    assert np.isnan(values['ignore']['F1.z[pooled]'])
    published = evaluate(MacroF1Metric('published', resamples=0), samples, meta)
    assert published['macroF1[published]'] == values['perfect']['macroF1[pooled]']


@pytest.mark.parametrize('name', ['mIoU', 'mFscore', 'macroF1', 'IDM', 'oIoU'])
def test_classes_may_come_as_floats(evaluate, class_samples, name):
    """As mmseg has those of one sigmoid channel."""
    samples, floats = class_samples(), class_samples()
    for part in floats:
        part['pred_sem_seg']['data'] = part['pred_sem_seg']['data'].float()
    options = dict(resamples=0) | (dict(threshold=.5) if name == 'oIoU' else {})
    expected, found = (evaluate(METRICS.build(evaluator_config(name, **options)), part, META) for part in (samples, floats))
    assert found == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize('metric', [ClassIoUMetric, MacroF1Metric])
def test_order_changes_nothing(evaluate, class_samples, metric):
    samples = class_samples()
    assert evaluate(metric(), samples, META) == evaluate(metric(), samples[::-1], META, batch=4)


def test_options_are_checked():
    with pytest.raises(ValueError, match='absent='):
        MacroF1Metric(absent='skip')
    with pytest.raises(ValueError, match='quantity='):
        ClassIoUMetric('mDice')


def test_a_class_that_is_never_found_is_named_beside_the_mean_that_leaves_it_out(evaluate, sample, monkeypatch):
    warnings = []
    monkeypatch.setattr(ClassIoUMetric, 'warn', lambda self, message: warnings.append(message))
    labels, predictions = np.repeat([0, 1], [49, 51])[None], np.zeros((1, 100), int)
    metric, samples = ClassIoUMetric('mFscore', resamples=0), [sample('0.png', labels, predictions=predictions)]
    metrics = evaluate(metric, samples, dict(classes=('ground', 'thing', 'absent')))
    assert metrics['mFscore[pooled]'] == pytest.approx(100 * 2 * .49 / 1.49)
    assert metric.provenance['never_found'] == ['thing']
    assert 'thing' in warnings[0] and 'absent' not in warnings[0] and 'macroF1' in warnings[0]
    both = evaluate(MacroF1Metric(resamples=0), samples, dict(classes=('ground', 'thing', 'absent')))
    assert both['macroF1[pooled]'] == pytest.approx(metrics['mFscore[pooled]'] / 2)


def test_pixels_are_labelled_or_void(class_samples):
    metric = ClassIoUMetric()
    metric.dataset_meta = META
    for part in class_samples():
        labels = part['gt_sem_seg']['data']
        record = metric.measure(part)
        assert (int(record['pixels']), int(record['void'])) == (labels.numel(), int((labels == 255).sum())) and record['void'] > 0

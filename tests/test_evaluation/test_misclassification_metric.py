"""Laws of ``--eval IDM``."""
import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from mmseg_uncertainty.evaluation import MisclassificationMetric

META = dict(classes=tuple('abcd'), dataset_name='toy streets')


def pooled(samples, head):
    wrong, scores = [], []
    for sample in samples:
        labels = sample['gt_sem_seg']['data']
        known = labels != 255
        wrong.append((sample['pred_sem_seg']['data'] != labels)[known])
        scores.append(sample['uncertainty'][head][known])
    return torch.cat(wrong).numpy(), torch.cat(scores).numpy()


def test_numbers_are_those_of_scikit_learn_and_the_definitions(evaluate, class_samples):
    samples = class_samples()
    metrics = evaluate(MisclassificationMetric(exact=True, resamples=0), samples, META)
    for head in ('msp', 'max_logit'):
        wrong, scores = pooled(samples, head)
        area = roc_auc_score(wrong, scores)
        assert metrics[f'{head}/IDM_AUROC[pooled]'] == pytest.approx(100 * area, abs=1e-10)
        precision = average_precision_score(wrong, scores)
        assert metrics[f'{head}/IDM_AP[pooled]'] == pytest.approx(100 * precision, abs=1e-10)
        assert metrics[f'{head}/IDM_PRR[pooled]'] == pytest.approx(100 * (2 * area - 1), abs=1e-10)
        kept = wrong[np.argsort(scores, kind='stable')]
        share = int(np.ceil(.9 * kept.size))
        assert metrics[f'{head}/IDM_risk@coverage0.9[pooled]'] == pytest.approx(100 * kept[:share].mean(), abs=1e-10)


def test_streaming_stays_within_its_bounds(evaluate, class_samples):
    exact, streamed = (evaluate(MisclassificationMetric(resamples=0, **mode), class_samples(), META)
                       for mode in (dict(exact=True), dict(bits=12)))
    for key, value in exact.items():
        if 'threshold' not in key:
            assert abs(value - streamed[key]) <= streamed[key.replace('[', '_bound[')] + 1e-10, key


@pytest.mark.parametrize('protocol', ['pooled', 'per_image', 'published'])
def test_order_and_batch_size_change_nothing(evaluate, class_samples, protocol):
    samples = class_samples()
    first = evaluate(MisclassificationMetric(protocol=protocol), samples, META)
    assert first == evaluate(MisclassificationMetric(protocol=protocol), samples[::-1], META, batch=2)


def test_void_never_counts(evaluate, class_samples):
    samples, spoiled = class_samples(), class_samples()
    for part in spoiled:
        void = part['gt_sem_seg']['data'] == 255
        part['pred_sem_seg']['data'][void] = 0
        part['uncertainty']['msp'][void] = 99
    assert evaluate(MisclassificationMetric(), samples, META) == evaluate(MisclassificationMetric(), spoiled, META)


def test_no_errors_are_nan_not_a_crash(evaluate, class_samples):
    samples = class_samples()
    for part in samples:
        part['pred_sem_seg']['data'] = part['gt_sem_seg']['data'].clone()
    metrics = evaluate(MisclassificationMetric(resamples=10), samples, META)
    assert np.isnan(metrics['msp/IDM_PRR[pooled]']) and metrics['msp/IDM_AURC[pooled]'] == 0


def test_headline_numbers_carry_intervals_and_plots(evaluate, class_samples, tmp_path):
    metrics = evaluate(MisclassificationMetric(resamples=50, plot_dir=tmp_path), class_samples(), META)
    for name in ('AUROC', 'AP', 'AP_success', 'FPR95', 'AURC', 'AUGRC', 'PRR'):
        low, high = (metrics[f'msp/IDM_{name}_{side}[pooled]'] for side in ('low', 'high'))
        assert low <= metrics[f'msp/IDM_{name}[pooled]'] <= high
    assert {path.name for path in tmp_path.iterdir()} == {'IDM.png', 'IDM_risk_coverage.png'}


def test_labels_outside_the_classes_and_anomaly_labels_are_refused(evaluate, class_samples):
    samples = class_samples()
    samples[2]['gt_sem_seg']['data'][0, 1, 1] = 4
    with pytest.raises(ValueError, match=r'images/2\.png: labels such as 4 at 1 of \d+ pixels, expected 0 to 3, or 255'):
        evaluate(MisclassificationMetric(), samples, META)
    with pytest.raises(ValueError, match='IDM needs classes labels.*mFishy'):
        MisclassificationMetric().dataset_meta = dict(classes=('a', 'b'), label_kind='anomaly')

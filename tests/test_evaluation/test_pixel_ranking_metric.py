"""What every ranking of pixels has in common, by the evaluator of anomalies."""
import numpy as np
import pytest
from sklearn.metrics import auc, precision_recall_curve

from mmseg_uncertainty.evaluation import AnomalyRankingMetric

META = dict(classes=('in-distribution', 'anomaly'), label_kind='anomaly')


def names(metrics):
    return {key.partition('/')[2].partition('[')[0] for key in metrics if not key.endswith('_bound')}


def test_the_published_protocol_takes_the_area_under_the_curve_for_the_precision(evaluate, anomaly_samples):
    samples = anomaly_samples()
    labels, scores = (np.concatenate([read(part).ravel() for part in samples]) for read in (
        lambda part: part['gt_sem_seg']['data'].numpy(), lambda part: part['uncertainty']['energy'].numpy()))
    precision, recall, _ = precision_recall_curve(labels[labels < 2], scores[labels < 2])
    published, pooled = (evaluate(AnomalyRankingMetric(protocol, exact=True, resamples=0), samples, META)
                         for protocol in ('published', 'pooled'))
    assert published['energy/AP[published]'] == pytest.approx(100 * auc(recall, precision))
    assert pooled['energy/AP[pooled]'] != published['energy/AP[published]']
    assert names(pooled) - names(published) == {'F1'} and names(published) < names(pooled)


@pytest.mark.parametrize('protocol', ['published', 'pooled', 'per_image'])
def test_few_cells_move_every_number_by_its_bound_at_most(evaluate, anomaly_samples, protocol):
    samples = anomaly_samples()
    exact, coarse = (evaluate(AnomalyRankingMetric(protocol, resamples=0, **options), samples, META)
                     for options in (dict(exact=True), dict(bits=10)))
    numbers = {key for key in exact if 'threshold' not in key}
    assert coarse.keys() - exact.keys() == {key.replace('[', '_bound[') for key in numbers}
    moved = [abs(coarse[key] - exact[key]) <= coarse[key.replace('[', '_bound[')] + 1e-9 for key in numbers if 'F1' not in key]
    assert all(moved) and any(coarse[key.replace('[', '_bound[')] > 0 for key in numbers)


@pytest.mark.parametrize('heads', [1, 8, 9, 16, 20])
def test_the_histograms_of_all_heads_stay_below_200_megabytes(sample, heads):
    metric = AnomalyRankingMetric(resamples=0)
    metric.dataset_meta = META
    scores = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    metric.process({}, [sample('a.png', np.eye(3, 4, dtype=int), {f'head{index}': scores for index in range(heads)})])
    sizes = [store.counts.nbytes for store in metric.histograms.values()]
    assert len(sizes) == heads and sum(sizes) < 200e6
    assert sum(sizes) > 60e6 or heads == 1, 'twice as many cells would fit'


def test_only_numbers_of_single_images_may_be_exact_in_several_processes():
    for protocol, exact in (('per_image', True), ('pooled', False), ('per_image', False)):
        AnomalyRankingMetric(protocol, exact=exact).merge_processes()
    with pytest.raises(ValueError, match='mFishy: exact=True sorts the scores of one process'):
        AnomalyRankingMetric(exact=True).merge_processes()

"""What an evaluator keeps does not grow with the number of pixels, and hardly with the number of images."""
import pickle

import numpy as np
import pytest

from mmseg_uncertainty.evaluation import AnomalyRankingMetric, CalibrationMetric, MisclassificationMetric, OpenSetMetric

HEADS = [f'head{index}' for index in range(10)]
ANOMALIES = dict(classes=('in-distribution', 'anomaly'), label_kind='anomaly')
CITYSCAPES = dict(classes=tuple(map(str, range(19))))


def state_bytes(metric):
    tensors = [part for store in metric.histograms.values() for part in (store.counts, store.pages)]
    tensors += metric.state.values()
    return sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors}.values())


@pytest.mark.slow
@pytest.mark.parametrize('metric, meta', [(AnomalyRankingMetric, ANOMALIES), (MisclassificationMetric, CITYSCAPES),
                                          (OpenSetMetric, CITYSCAPES), (CalibrationMetric, CITYSCAPES)])
def test_ten_heads_stay_below_200_megabytes_whatever_the_size(sample, metric, meta):
    random = np.random.default_rng(0)
    metric = metric(resamples=0)
    metric.dataset_meta = meta
    sizes, records = [], []
    for index, side in enumerate((40, 80, 160, 200, 240, 280)):
        labels = random.integers(0, 2, (side, side))
        heads = {head: random.normal(size=(side, side)).astype(np.float32) for head in HEADS}
        logits = random.normal(size=(19, side, side)).astype(np.float32)
        metric.process({}, [sample(f'{index}.png', labels, heads, logits=logits)])
        sizes.append(state_bytes(metric))
        records.append(len(pickle.dumps(metric.results[-1])))
    assert sizes[-1] == sizes[-2] < 200e6
    assert max(records) < 300_000

"""Evaluate toy datasets as one process of a group; started by ``test_two_processes.py``."""
import json
import sys

import conftest
import torch
import torch.distributed as dist
from mmengine.dataset import DefaultSampler
from mmengine.dist import get_rank, get_world_size

from mmseg_uncertainty.evaluation import (AnomalyRankingMetric, BravoMetric, CalibrationMetric, ClassIoUMetric, ComponentMetric,
                                          MacroF1Metric, MisclassificationMetric, OpenSetMetric, PublishedOpenSetMetric)

CLASSES = dict(classes=tuple('abcd'))
ANOMALIES = dict(classes=('in-distribution', 'anomaly'), label_kind='anomaly')


def metrics():
    """Every metric that keeps a state, with the meta information of its dataset."""
    for kind in (MisclassificationMetric, CalibrationMetric, OpenSetMetric, PublishedOpenSetMetric, ClassIoUMetric,
                 MacroF1Metric, BravoMetric):
        yield kind(resamples=20), CLASSES
    for options in (dict(), dict(protocol='per_image'), dict(protocol='published')):
        yield AnomalyRankingMetric(resamples=20, **options), ANOMALIES
    yield ComponentMetric(resamples=20, smallest_prediction=2), ANOMALIES


def numbers(images: int, padded: bool = False) -> dict[str, float]:
    """All numbers over this process's share of the images, merged over the group; padded by the first images if asked to."""
    data = dict(classes=conftest.class_samples.__wrapped__()(images),
                anomaly=conftest.anomaly_samples.__wrapped__()(images))
    share = range(images)
    if padded:
        sampler = DefaultSampler(data['classes'], shuffle=False, round_up=True)
        assert sampler.total_size > images
        share = list(sampler)
    else:
        share = share[get_rank()::get_world_size()]
    values = {}
    for metric, meta in metrics():
        metric.dataset_meta = meta
        for index in share:
            metric.process({}, [data[meta.get('label_kind', 'classes')][index]])
        values |= {f'{type(metric).__name__}.{key}': value for key, value in metric.evaluate(images).items()}
    return values


def repetition_error() -> str:
    """What every process says when all have measured the same image."""
    metric = AnomalyRankingMetric()
    metric.dataset_meta = ANOMALIES
    metric.process({}, conftest.anomaly_samples.__wrapped__()(2))
    try:
        metric.evaluate(2)
    except ValueError as error:
        return str(error)
    return ''


def main(rank: int, folder: str) -> None:
    """Write the numbers of odd and of too few images, with padding too, and the error for images that come twice."""
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{folder}/rendezvous', rank=rank, world_size=2)
    results = {str(images): numbers(images) for images in (5, 1)}
    results['padded'] = {str(images): numbers(images, padded=True) for images in (5, 1)}
    results['repetition'] = repetition_error()
    with open(f'{folder}/{rank}.json', 'w') as stream:
        json.dump(results, stream)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == '__main__':
    main(int(sys.argv[1]), sys.argv[2])

"""Evaluation on an accelerator: the numbers of the host, and no waiting between images."""
import math
import weakref

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

from mmseg_uncertainty.evaluation import metrics as kinds
from mmseg_uncertainty.functional import device_counts
from mmseg_uncertainty.functional.prediction_sets import SetFamily

CLASSES = dict(classes=tuple('abcd'), dataset_name='toy streets')
NOVEL = dict(CLASSES, novel_labels=(20, 21))
MERGED = dict(classes=('fine', 'coarse'), class_groups=(0, 1, 1, 0))
ANOMALIES = dict(classes=('in-distribution', 'anomaly'), label_kind='anomaly', dataset_name='toy anomalies')
THRESHOLDS = dict(msp=.37, max_logit=-1.5)
WAIT_FREE = [
    (kinds.AnomalyRankingMetric, dict(), ANOMALIES),
    (kinds.AnomalyRankingMetric, dict(protocol='per_image'), ANOMALIES),
    (kinds.AnomalyRankingMetric, dict(protocol='published', bits=14), ANOMALIES),
    (kinds.MisclassificationMetric, dict(), CLASSES),
    (kinds.MisclassificationMetric, dict(protocol='published'), CLASSES),
    (kinds.MisclassificationMetric, dict(), NOVEL),
    (kinds.LocalOODMetric, dict(), NOVEL),
    (kinds.OpenSetMetric, dict(), CLASSES),
    (kinds.OpenSetMetric, dict(threshold=THRESHOLDS), CLASSES),
    (kinds.OpenSetMetric, dict(threshold=THRESHOLDS, void='unknown'), CLASSES),
    (kinds.CalibrationMetric, dict(), CLASSES),
    (kinds.CalibrationMetric, dict(protocol='per_image', bins=7), CLASSES),
    (kinds.CalibrationMetric, dict(protocol='published'), MERGED),
    (kinds.ClassIoUMetric, dict(), CLASSES),
    (kinds.ClassIoUMetric, dict(quantity='mFscore'), MERGED),
    (kinds.MacroF1Metric, dict(), CLASSES),
    (kinds.CoverageMetric, dict(), CLASSES),
    (kinds.BravoMetric, dict(), CLASSES),
    (kinds.ImageOODMetric, dict(in_domain='[01].png'), CLASSES),
]
WAITING = [
    (kinds.AnomalyRankingMetric, dict(exact=True), ANOMALIES),
    (kinds.ComponentMetric, dict(smallest_prediction=2), ANOMALIES),
    (kinds.ComponentMetric, dict(threshold=.5), ANOMALIES),
    (kinds.PublishedOpenSetMetric, dict(), CLASSES),
]
READS = {'_local_scalar_dense', 'nonzero', 'masked_select', 'equal', 'bincount', '_unique2', 'unique_dim',
         'unique_consecutive', 'histc', 'repeat_interleave', 'is_nonzero', 'item'}


class Waits(TorchDispatchMode):
    """Notes every operator that makes the host wait for a device."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        selects = name.startswith('index') and self._by_mask(args)
        if name in READS or selects or self._moves(name, args, kwargs, result):
            self.seen.append(str(function))
        return result

    @staticmethod
    def _by_mask(args):
        indices = args[1] if len(args) > 1 and isinstance(args[1], (list, tuple)) else ()
        return any(isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) for index in indices)

    @staticmethod
    def _moves(name, args, kwargs, result):
        if name not in ('_to_copy', 'copy_'):
            return False
        source = args[name == 'copy_']
        queued = (kwargs or {}).get('non_blocking') and source.device.type == 'cpu'
        return source.device != result.device and not queued


@pytest.fixture
def elsewhere(monkeypatch):
    """Tensors of the host count as those of a device."""

    def start():
        monkeypatch.setattr(device_counts, 'on_host', lambda values: not isinstance(values, Tensor))
    return start


@pytest.fixture
def samples(anomaly_samples, class_samples):
    """Images that fit a dataset."""

    def make(meta):
        if meta is ANOMALIES:
            return anomaly_samples()
        data = class_samples()
        for index, sample in enumerate(data):
            labels, logits = sample['gt_sem_seg']['data'], sample['seg_logits']['data']
            sample['prediction_set'] = dict(membership=SetFamily().sets(logits[None].softmax(1), .2)[0])
            if meta is NOVEL:
                labels[:, 0, :3], labels[:, index, 4:6] = 21, 20
            if meta is MERGED:
                labels.copy_(torch.where(labels == 255, 255, torch.tensor([0, 1, 1, 0])[labels.clamp(max=3)]))
                sample.update(class_logits=dict(data=logits), calibrated_logits=dict(data=logits / 2))
        return data
    return make


def name(value):
    return getattr(value, '__name__', None)


def measure(metric, samples, meta):
    metric.dataset_meta = meta
    for sample in samples:
        metric.process({}, [sample])


@pytest.mark.parametrize('kind, options, meta', WAIT_FREE, ids=name)
def test_no_image_waits_and_no_number_changes(kind, options, meta, samples, elsewhere):
    host, device = kind(resamples=20, **options), kind(resamples=20, **options)
    measure(host, samples(meta), meta)
    expected = host.evaluate(5)
    data = samples(meta)
    elsewhere()
    with Waits() as waits:
        measure(device, data, meta)
    assert waits.seen == [] and device.results == []
    found = device.evaluate(5)
    assert list(found) == list(expected)
    for key, value in expected.items():
        summed = 'NLL' in key or 'Brier' in key  # sums of fractions, whose last bits depend on their order
        assert math.isclose(found[key], value, rel_tol=1e-12 if summed else 0) or found[key] != found[key], key
        assert math.isnan(found[key]) == math.isnan(value)
    assert device.provenance == host.provenance


@pytest.mark.parametrize('kind, options, meta', WAIT_FREE, ids=name)
def test_maps_without_data_can_be_measured(kind, options, meta, samples):
    data = samples(meta)
    with FakeTensorMode(), Waits() as waits:
        data = tree_map_only(Tensor, lambda part: torch.empty(part.shape, dtype=part.dtype, device='meta'), data)
        measure(kind(**options), data, meta)
    assert waits.seen == []


@pytest.mark.parametrize('kind, options, meta', WAITING, ids=name)
def test_metrics_that_need_the_host_give_its_numbers(kind, options, meta, samples, elsewhere):
    host, device = kind(resamples=20, **options), kind(resamples=20, **options)
    measure(host, samples(meta), meta)
    expected = host.evaluate(5)
    elsewhere()
    measure(device, samples(meta), meta)
    np.testing.assert_equal(device.evaluate(5), expected)


@pytest.mark.parametrize('wait', [
    lambda scores: int(scores.sum()), lambda scores: scores[scores > 0], lambda scores: (scores > 0).nonzero(),
    lambda scores: bool((scores > 0).any()), lambda scores: torch.equal(scores, scores),
    lambda scores: torch.bincount(scores.abs().long()), lambda scores: scores.unique(),
    lambda scores: scores.masked_select(scores > 0)])
def test_waiting_is_noticed(wait):
    with Waits() as waits:
        wait(torch.randn(9))
    assert waits.seen


@pytest.mark.parametrize('copy', [lambda scores: scores.cpu(), lambda scores: torch.zeros(3).copy_(scores),
                                  lambda scores: torch.zeros(3).to('meta')])
def test_copies_are_noticed(copy):
    with FakeTensorMode(), Waits() as waits:
        copy(torch.empty(3, device='meta'))
    assert waits.seen


@pytest.mark.parametrize('read', [Tensor.tolist, Tensor.numpy, Tensor.item, lambda scores: scores + torch.zeros(3)])
def test_maps_without_data_refuse_to_be_read(read):
    with FakeTensorMode(), pytest.raises(Exception):
        read(torch.empty(3, device='meta'))


@pytest.mark.parametrize('kind, meta, spoil, message', [
    (kinds.AnomalyRankingMetric, ANOMALIES, lambda part: part['uncertainty']['tied'][0, 0].fill_(float('nan')),
     r"images/3\.png: head 'tied' gave 24 NaN or infinite scores of 696"),
    (kinds.AnomalyRankingMetric, ANOMALIES, lambda part: part['gt_sem_seg']['data'][0, 0, 2].fill_(9),
     r'images/3\.png: labels such as 9 at \d+ of \d+ pixels, expected 0 to 1, or 255.*an anomaly'),
    (kinds.OpenSetMetric, CLASSES, lambda part: part['uncertainty']['msp'][0, 0].fill_(float('inf')),
     r"images/3\.png: head 'msp' gave \d+ NaN or infinite scores of"),
    (kinds.ClassIoUMetric, CLASSES, lambda part: part['gt_sem_seg']['data'][0, 1, 1].fill_(-1),
     r'images/3\.png: labels such as -1 at 1 of \d+ pixels, expected 0 to 3, or 255'),
    (kinds.ClassIoUMetric, CLASSES, lambda part: part['gt_sem_seg']['data'][0, 1, 1].fill_(260),
     r'images/3\.png: labels such as 260 at 1 of \d+ pixels, expected 0 to 3, or 255'),
    (kinds.CalibrationMetric, CLASSES, lambda part: part['seg_logits']['data'][:, 0].fill_(float('nan')),
     r'images/3\.png: the logits are NaN'),
    (kinds.ImageOODMetric, CLASSES, lambda part: part['uncertainty']['msp'][0, 0, 0].fill_(float('nan')),
     r"images/3\.png: head 'msp' gave 1 NaN or infinite scores of 399"),
], ids=name)
def test_errors_are_those_of_the_host_when_records_are_collected(kind, meta, spoil, message, samples, elsewhere):
    options = dict(in_domain='0') if kind is kinds.ImageOODMetric else {}
    data = samples(meta)
    if meta is ANOMALIES:
        data[3]['gt_sem_seg']['data'].fill_(0)
    spoil(data[3])
    with pytest.raises(ValueError, match=message) as at_once:
        measure(kind(**options), data, meta)
    elsewhere()
    metric = kind(**options)
    measure(metric, data, meta)
    with pytest.raises(ValueError) as later:
        metric.evaluate(5)
    assert str(later.value) == str(at_once.value)


def test_chunks_of_a_device_do_not_show(samples, elsewhere, monkeypatch):
    expected = kinds.CalibrationMetric(resamples=0)
    measure(expected, samples(CLASSES), CLASSES)
    elsewhere()
    monkeypatch.setattr('mmseg_uncertainty.evaluation.metrics.calibration_metric.DEVICE_CHUNK', 37)
    chunked = kinds.CalibrationMetric(resamples=0)
    measure(chunked, samples(CLASSES), CLASSES)
    assert chunked.evaluate(5) == pytest.approx(expected.evaluate(5), abs=1e-7)


@pytest.mark.parametrize('kind, options, meta', WAIT_FREE, ids=name)
def test_records_that_wait_hold_no_map(kind, options, meta, samples, elsewhere):
    data = samples(meta)
    elsewhere()
    metric = kind(**options)
    measure(metric, data, meta)
    maps = [weakref.ref(part) for part in tree_flatten(data)[0] if isinstance(part, Tensor)]
    del data
    assert len(maps) >= 10 and not any(part() is not None for part in maps)


def test_labels_of_the_host_meet_scores_of_a_device(samples, monkeypatch):
    moved = []
    original = Tensor.to

    def to(tensor, *args, **kwargs):
        if args and args[0] == torch.device('meta'):
            moved.append(kwargs)
        return original(tensor, *args, **kwargs)

    monkeypatch.setattr(Tensor, 'to', to)
    metric, sample = kinds.AnomalyRankingMetric(), samples(ANOMALIES)[0]
    sample['uncertainty'] = {head: scores.to('meta') for head, scores in sample['uncertainty'].items()}
    measure(metric, [sample], ANOMALIES)
    assert dict(non_blocking=True) in moved

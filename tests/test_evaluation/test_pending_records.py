"""Laws of the records that wait on a device."""
import numpy as np
import pytest
import torch
from torch import Tensor

from mmseg_uncertainty.evaluation.metrics.pending_records import Later, PendingRecords
from mmseg_uncertainty.functional import device_counts


def record(index=0):
    return dict(name=f'{index}.png', pixels=7, void=torch.tensor(index),
                share=torch.tensor(.1 + index, dtype=torch.float64),
                mask=torch.tensor([[True, False, True]]), empty=torch.zeros(0, 3),
                heads=dict(a=Later(torch.arange(6).view(2, 3) + index, lambda counts: counts.sum(axis=1)), b=None),
                checks=[torch.full((3, ), index, dtype=torch.int32)])


def expected(index):
    return dict(name=f'{index}.png', pixels=7, void=index, share=.1 + index, mask=np.array([[True, False, True]]),
                empty=np.zeros((0, 3), np.float32), heads=dict(a=np.array([3, 12]) + 3 * index, b=None),
                checks=[np.full(3, index, np.int32)])


@pytest.fixture
def elsewhere(monkeypatch):
    monkeypatch.setattr(device_counts, 'on_host', lambda values: not isinstance(values, Tensor))


def test_records_of_the_host_are_ready_at_once():
    np.testing.assert_equal(PendingRecords().add(record(3)), [expected(3)])


def test_a_record_without_tensors_is_ready_and_one_with_some_of_a_device_waits(monkeypatch):
    monkeypatch.setattr(device_counts, 'on_host', lambda values: values.dtype == torch.int64)
    pending = PendingRecords()
    assert pending.add(dict(name='a')) == [dict(name='a')] and pending.add(dict(void=torch.tensor(4))) == [dict(void=4)]
    assert pending.add(dict(void=torch.tensor(4), share=torch.tensor(.5))) == []
    assert pending.collect() == [dict(void=4, share=.5)]


def test_records_of_a_device_come_together_in_their_order(elsewhere, monkeypatch):
    copies = []
    monkeypatch.setattr(Tensor, 'cpu', lambda tensor: copies.append(tensor) or tensor)
    pending = PendingRecords(images=3)
    assert pending.add(record(0)) == pending.add(record(1)) == []
    np.testing.assert_equal(pending.add(record(2)), [expected(index) for index in range(3)])
    assert len(copies) == 1 and pending.collect() == []
    pending.add(record(5))
    np.testing.assert_equal(pending.collect(), [expected(5)])


def test_large_records_wait_for_fewer_images(elsewhere):
    pending = PendingRecords(size=2000)
    assert pending.add(dict(counts=torch.zeros(150))) == pending.add(dict(counts=torch.zeros(150))) == []
    assert len(pending.add(dict(counts=torch.zeros(400)))) == 3


def test_a_record_without_tensors_keeps_its_place(elsewhere):
    pending = PendingRecords()
    pending.add(dict(name='first', void=torch.tensor(1)))
    assert pending.add(dict(name='second')) == []
    assert [part['name'] for part in pending.collect()] == ['first', 'second']


def test_the_first_refusal_is_raised(elsewhere):
    def refuse(values):
        raise ValueError(f'image {values[0]}')

    pending = PendingRecords()
    for index in (4, 2):
        pending.add(dict(checks=[Later(torch.tensor([index]), refuse)]))
    with pytest.raises(ValueError, match='image 4'):
        pending.collect()

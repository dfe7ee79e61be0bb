"""ToyRoads is an ordinary dataset whose images come from a seed."""
import numpy as np
import pytest
import torch
from mmseg.registry import DATASETS
from torch.utils.data import DataLoader

import mmseg_uncertainty.registered  # noqa: F401
from mmseg_uncertainty.datasets import ToyRoadsDataset

SIZE = (64, 96)


def build(pipeline=(), **options):
    steps = [dict(type='RenderToyRoads'), *pipeline, dict(type='PackSegInputs')]
    config = dict(type='ToyRoadsDataset', length=4, size=SIZE, pipeline=steps, test_mode=True, _scope_='mmseg')
    return DATASETS.build({**config, **options})


def inputs(dataset):
    return torch.stack([dataset[index]['inputs'] for index in range(len(dataset))])


def test_samples_look_like_samples_from_files():
    sample = build(split='val')[3]
    assert sample['inputs'].shape == (3, *SIZE) and sample['inputs'].dtype == torch.uint8
    assert sample['data_samples'].gt_sem_seg.data.shape == (1, *SIZE)
    assert sample['data_samples'].img_path == 'toy_roads/val/00003'
    assert sample['data_samples'].ori_shape == SIZE


def test_another_dataset_of_the_same_options_renders_the_same():
    assert torch.equal(inputs(build()), inputs(build()))


@pytest.mark.parametrize('other', [dict(split='val'), dict(split='test'), dict(seed=1)])
def test_splits_and_seeds_share_no_image(other):
    first, second = inputs(build()), inputs(build(**other))
    assert not any(torch.equal(a, b) for a in first for b in second)


def test_length_does_not_change_the_images():
    assert torch.equal(inputs(build(length=2)), inputs(build(length=4))[:2])


def test_workers_render_the_same():
    dataset = build()
    loader = DataLoader(dataset, batch_size=1, num_workers=2, collate_fn=lambda batch: batch[0]['inputs'])
    assert torch.equal(torch.stack(list(loader)), inputs(dataset))


def test_anomaly_labels_and_metainfo():
    dataset = build(anomalies=True)
    labels = np.stack([sample['data_samples'].gt_sem_seg.data.numpy() for sample in dataset])
    assert set(np.unique(labels)) <= {0, 1, 255} and (labels == 1).any()
    assert dataset.metainfo['label_kind'] == 'anomaly' and dataset.metainfo['classes'] == ('in-distribution', 'anomaly')
    assert ToyRoadsDataset.METAINFO['label_kind'] == 'classes'


def test_chosen_classes_are_renumbered():
    labels = torch.stack([s['data_samples'].gt_sem_seg.data for s in build(metainfo=dict(classes=('sky', 'road')))])
    full = torch.stack([s['data_samples'].gt_sem_seg.data for s in build()])
    assert torch.equal(labels == 0, full == 3) and torch.equal(labels == 1, full == 0)
    assert set(labels.unique().tolist()) == {0, 1, 255}


def test_the_usual_steps_follow():
    steps = [dict(type='RandomFlip', prob=1.0), dict(type='Corruptions', corruption='fog', severity=2)]
    assert build(steps)[0]['data_samples'].flip


@pytest.mark.parametrize('options, message', [
    (dict(length=0), 'length=0'),
    (dict(split='dev'), "split='dev' is unknown.*train"),
    (dict(seed=-1), 'seed=-1 is negative'),
    (dict(size=(16, 64)), r'size=\(16, 64\) is too small'),
    (dict(conditions=('rain', )), 'sunny'),
    (dict(conditions=()), 'names unknown ones or none'),
])
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        ToyRoadsDataset(**options)

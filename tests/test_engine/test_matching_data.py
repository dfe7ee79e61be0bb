"""Models and data that do not fit together are told apart before anything runs."""
import logging
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmseg_uncertainty.engine.matching_data import BatchError, ClassMismatchError, check_batch, check_classes

STREET = ('road', 'sky', 'car')


def model_of(classes, **parts):
    model = nn.Module()
    model.num_classes = classes
    for name, part in parts.items():
        setattr(model, name, part)
    return model


def part_of(classes):
    part = nn.Module()
    part.num_classes = classes
    return part


@pytest.mark.parametrize('classes', [STREET[:2], STREET + ('bus', )])
def test_other_numbers_of_classes_are_named(classes):
    message = rf'model has 3 classes \(road, sky, car\), and Rooms has {len(classes)} classes'
    with pytest.raises(ClassMismatchError, match=message):
        check_classes(model_of(3), dict(classes=classes), 'Rooms', STREET)


@pytest.mark.parametrize('metainfo', [
    {}, dict(classes=STREET), dict(classes=('a', 'b'), class_groups=(0, 1, 1)),
    dict(classes=('in', 'out'), label_kind='anomaly')])
def test_what_fits_passes(metainfo):
    check_classes(model_of(3), metainfo, 'Streets', STREET)
    check_classes(nn.Module(), metainfo, 'Streets')


def test_groups_of_another_model_are_named():
    with pytest.raises(ClassMismatchError, match='model has 3 classes, and Streets has groups of 2 classes'):
        check_classes(model_of(3), dict(classes=('a', ), class_groups=(0, 0)), 'Streets')


@pytest.mark.parametrize('parts, name', [
    (dict(set_head=part_of(4)), 'set_head'), (dict(calibrator=part_of(4)), 'calibrator'),
    (dict(uncertainty_heads=nn.ModuleDict(dict(vim=part_of(4)))), 'uncertainty head vim')])
def test_heads_of_other_classes_are_named(parts, name):
    with pytest.raises(ClassMismatchError, match=f'{name} is made for 4 classes.*has 3'):
        check_classes(model_of(3, **parts), dict(classes=STREET), 'Streets')


def test_classes_in_another_order_are_refused_and_other_names_are_not(caplog):
    with pytest.raises(ClassMismatchError, match="'sky' is class 1 of the model.*and class 0 of Streets"):
        check_classes(model_of(3), dict(classes=('sky', 'road', 'car')), 'Streets', STREET)
    with caplog.at_level(logging.WARNING):
        check_classes(model_of(3), dict(classes=('Road', 'sky', 'vehicle')), 'Streets', STREET)


def batch_of(*sizes):
    samples = [SimpleNamespace(metainfo=dict(img_path=f'{index}.png')) for index in range(len(sizes))]
    return dict(inputs=[torch.zeros(3, *size) for size in sizes], data_samples=samples)


def test_batches_of_several_sizes_are_named():
    check_batch(nn.Module(), batch_of((4, 6), (4, 6)))
    with pytest.raises(BatchError, match='0.png has 6×4 pixels, 2.png has 6×5.*batch_size=1'):
        check_batch(nn.Module(), batch_of((4, 6), (4, 6), (5, 6)))


@pytest.mark.parametrize('batch', [dict(img=[], ori_shape=[]), [torch.zeros(3, 4, 4)]])
def test_batches_that_are_not_packed_are_told_from_others(batch):
    with pytest.raises(BatchError, match='gives (img, ori_shape|list), expected inputs and data_samples.*PackSegInputs'):
        check_batch(nn.Module(), batch)


@pytest.mark.parametrize('size, fits', [((8, 8), True), ((5, 8), True), ((4, 8), False), (None, True)])
def test_training_pads_to_the_size_of_the_preprocessor(size, fits):
    model = nn.Module()
    model.data_preprocessor = SimpleNamespace(size=size)
    if fits:
        check_batch(model, batch_of((4, 6), (5, 6)), training=True)
    else:
        with pytest.raises(BatchError):
            check_batch(model, batch_of((4, 6), (5, 6)), training=True)

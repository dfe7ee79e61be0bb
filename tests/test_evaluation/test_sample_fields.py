"""Labels that do not fit are refused with their image."""
import pytest
import torch

from mmseg_uncertainty.evaluation import ClassIoUMetric
from mmseg_uncertainty.evaluation.metrics.sample_fields import SampleError, class_labels, label_map


def test_colours_are_no_labels(sample):
    colours = sample('a.png', torch.zeros(4, 5))
    assert label_map(colours).shape == (4, 5)
    colours['gt_sem_seg']['data'] = torch.zeros(3, 4, 5).long()
    with pytest.raises(SampleError, match=r'a.png has labels of the shape \(3, 4, 5\)'):
        label_map(colours)


def test_a_wrong_label_is_named_with_its_number(sample):
    metric, labels = ClassIoUMetric(), torch.zeros(4, 5)
    metric.dataset_meta = dict(classes=tuple('abcd'))
    labels[1, 2], labels[3, 1] = 77, 78
    with pytest.raises(SampleError, match='a.png.*such as 77'):
        metric.class_labels(sample('a.png', labels))


@pytest.mark.parametrize(('classes', 'kind'), [(4, torch.uint8), (255, torch.uint8), (300, torch.int64)])
def test_labels_take_one_byte_where_that_holds_all_classes(sample, classes, kind):
    for label in (0, 3, classes - 50, classes - 1):
        labels = class_labels(sample('a.png', torch.full((4, 5), max(label, 0))), classes, (), check=None)
        assert labels.dtype == kind and (labels == max(label, 0)).all()


@pytest.mark.parametrize('label', [-250, -1, 256, 300])
def test_labels_that_no_byte_holds_are_refused(sample, label):
    metric, labels = ClassIoUMetric(), torch.zeros(4, 5)
    metric.dataset_meta = dict(classes=tuple('abcd'))
    labels[2, 2:4] = label
    with pytest.raises(SampleError, match=f'a.png.*such as {label} at 2 of 20 pixels'):
        metric.class_labels(sample('a.png', labels))

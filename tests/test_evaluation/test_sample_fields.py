"""Labels that do not fit are refused with their image."""
import pytest
import torch

from mmseg_uncertainty.evaluation import ClassIoUMetric
from mmseg_uncertainty.evaluation.metrics.sample_fields import SampleError, label_map


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

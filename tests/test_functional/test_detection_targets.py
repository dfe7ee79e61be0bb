"""Which pixels count as wrong."""
from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from mmseg_uncertainty.functional.detection_targets import balanced_weight, detection_targets

PREDICTED = torch.tensor([[[0, 1, 2, 0]]])
LABELS = torch.tensor([[[0, 2, 255, 254]]])


@pytest.mark.parametrize(('policy', 'void'), [('positive', 1.0), ('ignore', 0.0), (0.25, 0.25)])
def test_void_weighs_what_its_policy_says_and_padding_nothing(policy, void):
    wrong, weight = detection_targets(PREDICTED, LABELS, policy, padding_label=254)
    assert wrong[0, 0, :3].tolist() == [False, True, True]
    assert_close(weight, torch.tensor([[[1.0, 1.0, void, 0.0]]]))


def test_padding_that_looks_like_void_does_not_count():
    _, weight = detection_targets(PREDICTED, LABELS, 'positive', padding_label=255)
    assert weight[0, 0, 2] == 0


def test_balancing_keeps_the_total_and_equalizes_the_kinds():
    wrong, weight = torch.tensor([True, False, False, False]), torch.tensor([1.0, 1.0, 0.5, 0.0])
    balanced = balanced_weight(wrong, weight)
    assert_close(balanced.sum(), weight.sum())
    assert_close(balanced[wrong].sum(), balanced[~wrong].sum())
    assert_close(balanced_weight(torch.zeros(4, dtype=torch.bool), weight), weight)


def test_outliers_are_wrong_and_count_whatever_mistakes_weigh():
    labels = torch.tensor([[[0, 2, 255, 253]]])
    wrong, weight = detection_targets(PREDICTED, labels, padding_label=254, outlier_label=253, mistake_weight=0.1)
    assert wrong[0, 0].tolist() == [False, True, True, True]
    assert_close(weight, torch.tensor([[[1.0, 0.1, 0.0, 1.0]]]))


def test_inliers_are_never_wrong_and_count_as_asked():
    labels = torch.tensor([[[252, 252, 255, 254]]])
    wrong, weight = detection_targets(PREDICTED, labels, padding_label=254, inlier_label=252, mistake_weight=0.1,
                                      inlier_weight=0.5)
    assert not wrong[0, 0, :2].any()
    assert_close(weight, torch.tensor([[[0.5, 0.5, 0.0, 0.0]]]))

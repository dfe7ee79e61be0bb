"""Live promises are those that a fit would make."""
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmseg_uncertainty.app.promise_curves import GRID, PromiseCurves, promise_curves
from mmseg_uncertainty.models.set_heads import ConformalRiskControlHead
from mmseg_uncertainty.structures import FrozenOutputs


@pytest.fixture(scope='module')
def head():
    generator = torch.Generator().manual_seed(0)
    head = ConformalRiskControlHead(num_classes=4)
    head.start_stage(0)
    for _ in range(40):
        labels = torch.randint(0, 4, (1, 12, 15), generator=generator)
        logits = torch.randn(1, 4, 12, 15, generator=generator) + F.one_hot(labels, 4).permute(0, 3, 1, 2)
        head.update(FrozenOutputs(logits, logits, None), labels, [{}])
    head.finish_stage(0)
    return head


@pytest.mark.parametrize('alpha, loss, options', [
    (0.1, 'miscoverage', {}), (0.25, 'binary', dict(coverage=0.8)), (0.2, 'class_miss', dict(label=2))])
def test_thresholds_are_those_of_a_calibration(head, alpha, loss, options):
    promise = PromiseCurves(head).promise(alpha, loss, **options)
    head.recalibrate(risks=[dict(alpha=alpha, loss=loss, **options)])
    assert promise.chosen.threshold == pytest.approx(head.thresholds[0].item())
    assert promise.chosen.empirical_risk <= alpha and 1 <= promise.expected_size <= 4


def test_stricter_promises_cost_larger_sets(head):
    curves = PromiseCurves(head)
    sizes = [curves.promise(alpha).expected_size for alpha in (0.3, 0.1, 0.05)]
    assert sizes == sorted(sizes)
    assert not curves.promise(0.001).chosen.feasible and curves.promise(0.001).expected_size == pytest.approx(4)


def test_risks_grow_with_the_threshold(head):
    curves = PromiseCurves(head)
    risks = curves.risks('miscoverage')
    assert risks.shape == GRID.shape == curves.sizes.shape
    assert (np.diff(risks) >= 0).all() and (np.diff(curves.sizes) <= 1e-9).all()


def test_models_without_curves_have_none(head):
    model = type('Model', (), dict(set_head=None))
    assert promise_curves(model) is None
    model.set_head = ConformalRiskControlHead(num_classes=4)
    assert promise_curves(model) is None
    model.set_head = head
    assert promise_curves(model).num_images == 40

"""Laws of calibrators: constants are not seen, the arg-max stays, and the images of the fit never become less likely."""
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from scipy.optimize import minimize as scipy_minimize
from scipy.special import log_softmax
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.testing import assert_close

from mmseg_uncertainty.functional import msp
from mmseg_uncertainty.functional.temperature import fit_temperature
from mmseg_uncertainty.models.calibrators import (EnsembleTemperatureScaling, MatrixScaling, OrderPreservingScaling,
                                                  SelectiveScaling, SplineCalibration)
from mmseg_uncertainty.models.calibrators.ensemble_temperature_scaling import mixture_shares
from mmseg_uncertainty.models.calibrators.sampled_calibrator import minimize
from mmseg_uncertainty.models.calibrators.spline_calibration import cumulative_slope
from mmseg_uncertainty.models.decode_heads import EnergyHead, FlowEneDetHead, MahalanobisHead, MSPHead
from mmseg_uncertainty.structures import FrozenOutputs
from tests.test_models.test_calibrators.test_calibrators import CLASSES, SIZE, fit, flat, images, part

ALL_PIXELS = dict(pixels_per_image=10**6)
NEW = [dict(type='MatrixScaling', **ALL_PIXELS), dict(type='EnsembleTemperatureScaling', **ALL_PIXELS),
       dict(type='OrderPreservingScaling', **ALL_PIXELS), dict(type='OrderPreservingScaling', classwise=True, **ALL_PIXELS),
       dict(type='SelectiveScaling'), dict(type='SplineCalibration', **ALL_PIXELS), dict(type='VectorScaling', **ALL_PIXELS)]


def built(config, **options):
    init_default_scope('mmseg')
    return MODELS.build(dict(num_classes=CLASSES) | config | options)


def likelihood(calibrator, data):
    outputs, labels, metas = data
    return F.cross_entropy(calibrator.calibrate(outputs, metas).double(), labels, ignore_index=255).item()


def hard(seed=0, count=6, overconfident=True):
    """Logits whose temperature depends on how sure they are, with labels by chance."""
    outputs, labels, metas = images(count, 1., seed)
    gap = outputs.logits.topk(2, dim=1).values.diff(dim=1).abs()
    factor = 1 + gap if overconfident else 1 / (1 + gap)
    return FrozenOutputs(outputs.logits * factor, *(getattr(outputs, name) for name in ('native_logits', 'features', 'images'))
                         ), labels, metas


@pytest.mark.parametrize('config', NEW, ids=lambda config: config['type'])
@pytest.mark.parametrize('data', [images(6), images(6, 1.), images(6, 0.3), hard(), hard(overconfident=False)], ids=range(5))
def test_images_of_the_fit_never_become_less_likely(config, data):
    calibrator = fit(built(config), data)
    assert likelihood(calibrator, data) <= F.cross_entropy(data[0].logits.double(), data[1], ignore_index=255) + 1e-6


@pytest.mark.parametrize('config', NEW, ids=lambda config: config['type'])
def test_a_constant_of_each_pixel_changes_nothing(config):
    outputs, labels, metas = hard()
    constants = 30 * torch.randn(6, 1, *SIZE, generator=torch.Generator().manual_seed(5))
    moved = FrozenOutputs(outputs.logits + constants, outputs.native_logits, outputs.features, outputs.images)
    one, other = (fit(built(config), (given, labels, metas)) for given in (outputs, moved))
    assert_close(one(outputs, metas).softmax(1), one(moved, metas).softmax(1), rtol=1e-3, atol=1e-4)
    assert_close(one(outputs, metas).softmax(1), other(moved, metas).softmax(1), rtol=5e-3, atol=2e-3)


@pytest.mark.parametrize('config', [config for config in NEW if config['type'] not in ('MatrixScaling', 'VectorScaling')],
                         ids=lambda config: config['type'])
def test_the_predicted_class_stays_by_construction(config):
    data = hard()
    calibrator = fit(built(config, keep_argmax=False), data)
    for given in (data[0], part(images(6, 5.)[0], list(range(6)))):
        calibrated = calibrator(given, data[2])
        winner = given.logits.argmax(1, keepdim=True)
        assert (calibrated.gather(1, winner)[:, 0] >= calibrated.amax(1) - 1e-6 * calibrated.abs().amax(1)).all()


def test_the_order_of_all_classes_stays_with_weights_of_gaps():
    data = hard()
    for classwise in (False, True):
        calibrator = fit(OrderPreservingScaling(CLASSES, classwise, 100, keep_argmax=False, **ALL_PIXELS), data)
        places = data[0].logits.argsort(dim=1)
        assert (calibrator(data[0], data[2]).gather(1, places).diff(dim=1) >= 0).all() and (calibrator.weights > 0).all()


def test_a_class_of_few_pixels_takes_the_weights_of_all():
    calibrator = fit(OrderPreservingScaling(CLASSES, True, 10**9, **ALL_PIXELS), hard())
    assert (calibrator.weights == calibrator.weights[0]).all()


@pytest.mark.parametrize('classwise', [False, True])
def test_a_sample_without_mistakes_does_not_make_weights_of_gaps_endless(classwise):
    outputs, labels, metas = images(6, 1.)
    right = torch.where(labels == 255, labels, outputs.logits.argmax(1))
    calibrator = fit(OrderPreservingScaling(CLASSES, classwise, 100, **ALL_PIXELS), (outputs, right, metas))
    assert 1 < calibrator.weights.max() < 200
    free = fit(OrderPreservingScaling(CLASSES, classwise, 100, penalty=0., **ALL_PIXELS), (outputs, right, metas))
    assert free.weights.max() > 10 * calibrator.weights.max()
    with pytest.raises(ValueError, match='penalty=-1'):
        OrderPreservingScaling(CLASSES, penalty=-1)


def test_a_planted_matrix_is_recovered():
    outputs, labels, metas = images(40, 1.)
    planted = torch.eye(CLASSES) + 0.2 * torch.randn(CLASSES, CLASSES, generator=torch.Generator().manual_seed(3))
    inverse = torch.linalg.inv(planted)
    mixed = torch.einsum('nkhw,jk->njhw', outputs.logits, inverse)
    given = FrozenOutputs(mixed, outputs.native_logits, outputs.features, outputs.images)
    calibrator = fit(MatrixScaling(CLASSES, penalty=0., keep_argmax=False, **ALL_PIXELS), (given, labels, metas))
    before, after = F.cross_entropy(mixed, labels, ignore_index=255), likelihood(calibrator, (given, labels, metas))
    assert after < before - 0.01
    heavy = fit(MatrixScaling(CLASSES, penalty=1e6, **ALL_PIXELS), (given, labels, metas)).matrix
    assert (heavy - heavy.diag().diag()).abs().max() < 1e-3
    with pytest.raises(ValueError, match='penalty=-1'):
        MatrixScaling(CLASSES, penalty=-1)


def test_the_matrix_minimizes_the_penalized_likelihood():
    data, penalty = hard(), 10.
    calibrator = fit(MatrixScaling(CLASSES, penalty, **ALL_PIXELS), data)
    logits, labels = flat(*data[:2])
    logits = (logits - logits.mean(dim=0)).T.double()
    matrix, offset = (values.clone().requires_grad_() for values in (calibrator.matrix, calibrator.offset))
    beside = matrix[~torch.eye(CLASSES, dtype=torch.bool)]
    loss = F.cross_entropy(logits @ matrix.T + offset, labels) + penalty * (
        beside.square().sum() / CLASSES**2 + offset.square().sum() / CLASSES)
    for slope in torch.autograd.grad(loss, (matrix, offset)):
        assert slope.abs().max() < 1e-6
    assert (calibrator.matrix.diagonal() - 1).abs().min() > 0.1 and offset.mean().abs() < 1e-12


def test_temperature_and_shares_are_those_of_the_largest_likelihood():
    data = hard()
    calibrator = fit(EnsembleTemperatureScaling(CLASSES, **ALL_PIXELS), data)
    logits, labels = flat(*data[:2])
    assert calibrator.temperature.item() == pytest.approx(fit_temperature(logits.double(), labels), rel=1e-6)
    own = [log_softmax(logits.double().numpy() / scale, axis=0)[labels.numpy(), np.arange(len(labels))]
           for scale in (calibrator.temperature.item(), 1.)]
    parts = np.exp(np.stack([*own, np.full(len(labels), -np.log(CLASSES))]))

    def loss(free):
        shares = np.exp(free) / np.exp(free).sum()
        return -np.log(shares @ parts).mean()

    best = scipy_minimize(loss, np.zeros(3), method='Nelder-Mead', options=dict(xatol=1e-8, fatol=1e-12, maxiter=5000)).fun
    assert -np.log(calibrator.portions.numpy() @ parts).mean() <= best + 1e-6
    assert calibrator.portions.sum().item() == pytest.approx(1) and (calibrator.portions >= 0).all()


def test_shares_of_one_part_that_is_always_best_are_its_own():
    likelihoods = torch.tensor([[0.9, 0.8, 0.7], [0.1, 0.2, 0.3]], dtype=torch.float64)
    assert_close(mixture_shares(likelihoods), torch.tensor([1., 0.], dtype=torch.float64), atol=1e-6, rtol=0)


def test_the_search_for_shares_ends_where_they_stay():
    steps = []

    class Counted(TorchFunctionMode):

        def __torch_function__(self, function, types, args=(), kwargs=None):
            steps.extend([function] if function is torch.Tensor.mean else [])
            return function(*args, **(kwargs or {}))

    with Counted():
        shares = mixture_shares(torch.tensor([[0.9, 0.1, 0.8], [0.1, 0.9, 0.3]], dtype=torch.float64))
    assert 1 < len(steps) < 300 and 0.5 < shares[0] < 1


def test_each_group_of_selective_scaling_has_its_own_temperature():
    data = hard(count=8)
    calibrator = fit(SelectiveScaling(CLASSES, threshold=0.3), data)
    logits, labels = flat(*data[:2])
    doubtful = msp(logits.T[None].movedim(1, 2))[0] > 0.3
    expected = [fit_temperature(logits[:, inside], labels[inside]) for inside in (~doubtful, doubtful)]
    assert calibrator.temperatures.tolist() == pytest.approx(expected, rel=1e-5)
    assert likelihood(calibrator, data) < F.cross_entropy(logits.T / fit_temperature(logits, labels), labels)


def model_with(**heads):
    return SimpleNamespace(uncertainty_heads=heads)


def test_a_head_decides_by_its_own_threshold_wherever_its_map_comes_from():
    calibrator = SelectiveScaling(CLASSES, head='doubt')
    calibrator.bind(model_with(doubt=MSPHead()))
    outputs, _, _ = hard()
    assert calibrator.threshold == 0.5 and torch.equal(calibrator.flags(outputs), msp(outputs.logits) > 0.5)
    known = FrozenOutputs(outputs.logits, head_maps=dict(doubt=torch.full((6, *SIZE), 0.6)))
    assert calibrator.flags(known).all()
    flow = SelectiveScaling(CLASSES, head='fedu')
    flow.bind(model_with(fedu=FlowEneDetHead(CLASSES)))
    assert flow.threshold == 0


@pytest.mark.parametrize('head, options, message', [
    ('doubd', dict(doubt=MSPHead()), "head='doubd' is none of the heads .*Did you mean"),
    ('far', dict(far=MahalanobisHead(CLASSES)), 'fitted by statistics, after calibrators'),
    ('soft', dict(soft=EnergyHead()), "head='soft' suggests no threshold")])
def test_heads_that_cannot_decide_are_named(head, options, message):
    calibrator = SelectiveScaling(CLASSES, head=head)
    with pytest.raises(ValueError, match=message):
        calibrator.bind(model_with(**options))


def test_the_spline_finds_the_share_of_right_predictions():
    data = images(60, 2.5)
    calibrator = fit(SplineCalibration(CLASSES, **ALL_PIXELS), data)
    outputs, labels, metas = images(60, 2.5, seed=4)
    calibrated = calibrator(outputs, metas).softmax(1)
    confidence, predicted = calibrated.max(dim=1)
    known = labels != 255
    for low, high in ((0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.)):
        inside = known & (low < confidence) & (confidence <= high)
        assert float((predicted == labels)[inside].float().mean()) == pytest.approx(float(confidence[inside].mean()), abs=0.04)
    with pytest.raises(ValueError, match='knots=2'):
        SplineCalibration(CLASSES, knots=2)


def test_the_slope_of_a_line_and_of_a_parabola():
    assert_close(torch.from_numpy(cumulative_slope(np.full(500, 0.7), 5, 9)), torch.full((9, ), 0.7, dtype=torch.float64))
    rising = cumulative_slope(np.linspace(0, 1, 2001), 9, 5)
    np.testing.assert_allclose(rising[1:-1], [0.25, 0.5, 0.75], atol=0.01)


def test_a_search_that_ends_higher_is_undone():
    values = torch.tensor([3.], dtype=torch.float64)
    minimize([values], lambda: torch.where(values == 3, 0., torch.nan) * values.sum())
    assert values.item() == 3 and not values.requires_grad

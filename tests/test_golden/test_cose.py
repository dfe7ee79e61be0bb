"""Parity with the published conformal semantic segmentation code, whatever the size and seed of the golden files."""
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from mmseg_uncertainty.functional.conformal_losses import binary_loss, miscoverage_loss, tabulate
from mmseg_uncertainty.functional.conformal_splits import random_split
from mmseg_uncertainty.functional.prediction_sets import SetFamily, set_sizes
from mmseg_uncertainty.functional.risk_control import RiskTarget, control_risk, crc_bound, published_feasibility

VOID = 255
REPOSITORY = Path(__file__).parents[2]
GOLDEN = Path(os.environ.get('GOLDEN_ROOT', REPOSITORY / '../shared/golden')) / 'cose'

pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f'no golden files in {GOLDEN}; set GOLDEN_ROOT')


def load(name):
    return dict(np.load(GOLDEN / f'{name}.npz', allow_pickle=False))


@pytest.fixture(scope='module')
def inputs():
    arrays = load('inputs')
    return torch.from_numpy(arrays['softmax']), torch.from_numpy(arrays['labels']).long()


@pytest.fixture(scope='module', params=['lac', 'aps'])
def family(request):
    return SetFamily(request.param)


def tabulated(family, inputs):
    probabilities, labels = inputs
    conformity = family.label_conformity(probabilities, labels.masked_fill(labels == VOID, 0))
    return tabulate(conformity, labels, probabilities.shape[1])


def test_sets_are_equal(family, inputs):
    golden = load(f'sets_{family.kind}')
    bits = (2**torch.arange(inputs[0].shape[1])).view(1, -1, 1, 1)
    for index, level in enumerate(golden['lambdas']):
        membership = family.sets(inputs[0], 1 - level)
        differs = (membership * bits).sum(1).numpy() != golden['set_bits'][index]
        assert differs.sum() <= golden['borderline_pixels'][index]
        agrees = set_sizes(membership).numpy() == golden['set_size'][index]
        assert agrees[~differs].all()


def test_losses_are_equal(family, inputs):
    golden = load(f'losses_{family.kind}')
    probabilities, labels = inputs
    valid = (labels != VOID).numpy()
    smallest = valid.sum((1, 2)).min()
    borderline = load(f'sets_{family.kind}')['borderline_pixels']
    table = tabulated(family, inputs)
    thresholds = (1 - golden['lambdas']).astype(np.float32)
    misses = miscoverage_loss(table).at(thresholds).T
    np.testing.assert_allclose(1 - misses, golden['coverage_ratio'], atol=1e-6 + borderline.max() / smallest)
    exact = borderline == 0
    np.testing.assert_allclose(misses[exact], golden['miscoverage_loss'][exact], atol=1e-6)
    for column, tau in enumerate(golden['taus']):
        losses = binary_loss(table, float(tau)).at(thresholds).T
        np.testing.assert_array_equal(losses[exact], golden['binary_loss'][exact, column])
    for index in np.flatnonzero(exact):
        sizes = set_sizes(family.sets(probabilities, float(thresholds[index]))).numpy()
        ratio = (sizes * valid).sum((1, 2)) / valid.sum((1, 2))
        np.testing.assert_allclose(ratio, golden['activation_ratio'][index], atol=1e-9)


def test_levels_of_the_binary_loss_are_equal(inputs):
    golden = load('lambda_binary')
    table = tabulated(SetFamily('lac'), inputs)
    for row, (alpha, tau) in enumerate(zip(golden['alpha'], golden['tau'])):
        result = control_risk(binary_loss(table, float(tau)), RiskTarget(float(alpha)))
        assert result.level == pytest.approx(golden['lambda_exact'][row], abs=1e-9)
        assert result.level == pytest.approx(golden['lambda_hat'][row], abs=golden['search_tolerance'][row] + 1e-7)
        assert (result.level == 0) == golden['stopped_at_zero'][row]
        assert result.largest_risk == pytest.approx(golden['risk_bound'][row], abs=1e-12)
        assert result.empirical_risk <= result.largest_risk + 1e-12


def test_levels_of_the_miscoverage_loss_solve_the_definition(inputs):
    golden = load('lambda_miscoverage')
    loss = miscoverage_loss(tabulated(SetFamily('lac'), inputs))
    for row, alpha in enumerate(golden['alpha']):
        result = control_risk(loss, RiskTarget(float(alpha)))
        assert result.level == pytest.approx(golden['lambda_hat'][row], abs=1e-9)
        assert result.empirical_risk == pytest.approx(golden['empirical_risk'][row], abs=1e-6)


def test_risk_bounds_are_equal():
    golden = load('risk_bound')
    for n, alpha, feasible, bound in zip(*(golden[key] for key in ('n_images', 'alpha', 'feasible', 'bound'))):
        assert published_feasibility(int(n), float(alpha)) == feasible
        if feasible:
            assert crc_bound(int(n), float(alpha)) == pytest.approx(bound, abs=1e-12)


def test_splits_are_equal():
    golden = load('splits')
    seeds = [int(key.removeprefix('calibration_seed')) for key in golden if key.startswith('calibration_seed')]
    for seed in seeds:
        calibration, test = random_split(int(golden['n_images']), int(golden['n_calibration']), seed)
        np.testing.assert_array_equal(calibration, golden[f'calibration_seed{seed}'])
        np.testing.assert_array_equal(test, golden[f'test_seed{seed}'])
    assert seeds

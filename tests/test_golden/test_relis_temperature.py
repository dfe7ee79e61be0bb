"""Temperatures, clusters and local temperature maps of the released RELIS code."""
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmseg_uncertainty.functional.calibration_error import ReliabilitySums, expected_calibration_error
from mmseg_uncertainty.functional.temperature import (PUBLISHED_GRID, best_calibrated, cluster_weights, fit_temperature,
                                                      reliability_by_temperature)
from mmseg_uncertainty.models.calibrators.local_temperature_network import LocalTemperatureNetwork

FOLDER = Path(os.environ.get('GOLDEN_ROOT', Path(__file__).parents[3] / 'shared' / 'golden')) / 'relis'
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f'no golden vectors in {FOLDER}; set GOLDEN_ROOT')
SUBSETS = ('all', 'in_domain', 'shifted')
STEP = 10


def load(name):
    with np.load(FOLDER / f'{name}.npz', allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope='module')
def inputs():
    return load('inputs')


@pytest.fixture(scope='module')
def temperature():
    return load('temperature')


def pixels(inputs, chosen):
    logits = torch.from_numpy(inputs['logits'][chosen]).flatten(0, 1).T
    labels = torch.from_numpy(inputs['train_id'][chosen].ravel().astype(np.int64))
    return logits[:, labels != 255], labels[labels != 255]


def chosen_images(inputs, name):
    inside = inputs['in_domain'] == 1
    return {'all': np.ones_like(inside), 'in_domain': inside, 'shifted': ~inside}[name]


def search(logits, labels, grid):
    """Chosen temperature and error of each candidate."""
    sums = reliability_by_temperature(logits, labels, np.r_[1., grid])
    first, rest = (ReliabilitySums(*(values[part] for values in (sums.count, sums.correct, sums.confidence)))
                   for part in (0, slice(1, None)))
    return best_calibrated(grid, rest, first), expected_calibration_error(rest), expected_calibration_error(first)


def around(grid, best):
    """Every tenth candidate, and all within 0.1 of the best."""
    return np.unique(np.r_[np.arange(0, len(grid), STEP), np.flatnonzero(np.abs(grid - best) < 0.1)])


def test_the_grid_is_the_published_one(temperature):
    np.testing.assert_allclose(PUBLISHED_GRID, temperature['grid'], atol=1e-12)


@pytest.mark.parametrize('subset', SUBSETS)
def test_errors_of_the_grid_and_the_chosen_temperature(inputs, temperature, subset):
    best, grid_errors = temperature[f'{subset}_temperature'], temperature[f'{subset}_ece_grid']
    kept = around(temperature['grid'], best)
    found, errors, unscaled = search(*pixels(inputs, chosen_images(inputs, subset)), temperature['grid'][kept])
    np.testing.assert_allclose(errors, grid_errors[kept], atol=1e-5)
    assert unscaled == pytest.approx(float(temperature[f'{subset}_ece_at_1']), abs=1e-5)
    assert grid_errors[np.abs(temperature['grid'] - found).argmin()] <= grid_errors.min() + 1e-5


@pytest.mark.parametrize('subset', SUBSETS)
def test_the_likeliest_temperature_is_no_worse_than_any_candidate(inputs, temperature, subset):
    logits, labels = pixels(inputs, chosen_images(inputs, subset))
    nll = [F.cross_entropy((logits.double() / value).T, labels).item() for value in temperature['nll_grid_points']]
    np.testing.assert_allclose(nll, temperature[f'{subset}_nll_grid'], atol=1e-5)
    assert F.cross_entropy((logits.double() / fit_temperature(logits, labels)).T, labels) <= min(nll) + 1e-12


def test_images_belong_to_the_nearest_centroid_and_mix_its_temperatures(inputs, temperature):
    features, centroids = (torch.from_numpy(temperature[f'cluster_{name}']) for name in ('features', 'centroids'))
    hard, soft = cluster_weights(features, centroids), cluster_weights(features, centroids, soft=True)
    np.testing.assert_array_equal(hard.argmax(dim=1), temperature['cluster_hard'])
    np.testing.assert_allclose(soft, temperature['cluster_soft_weights'], atol=1e-6)
    np.testing.assert_allclose(soft @ temperature['cluster_temperature'], temperature['soft_image_temperature'], atol=1e-6)


def test_temperatures_of_clusters(inputs, temperature):
    for cluster, expected in enumerate(temperature['cluster_temperature']):
        kept = around(temperature['grid'], expected)
        found, *_ = search(*pixels(inputs, temperature['cluster_hard'] == cluster), temperature['grid'][kept])
        assert found == pytest.approx(expected, abs=1e-9)


@pytest.fixture(scope='module')
def local():
    return load('local_temperature')


PARTS = dict(branches=['t1', 't2', 't3', 't4'], gates=['g1', 'g2', 'g3'], image_branch=['t_img'], image_gate=['g_img'])


def network_of(local, factor=1.):
    network = LocalTemperatureNetwork(local['t1_weight'].shape[1], variant='published')
    state = {f'{part}.{kind}': factor * torch.from_numpy(np.concatenate([local[f'{name}_{kind}'] for name in names]))
             for part, names in PARTS.items() for kind in ('weight', 'bias')}
    network.load_state_dict(state)
    return network


def test_local_temperature_maps(local):
    logits, image = torch.from_numpy(local['logits']), torch.from_numpy(local['image'])
    network = network_of(local)
    assert sum(parameter.numel() for parameter in network.parameters()) == local['n_parameters']
    with torch.no_grad():
        single = network(logits, image)
        np.testing.assert_allclose(single, local['temperature'], atol=1e-5, rtol=1e-5)
        np.testing.assert_allclose(logits / single, local['calibrated_logits'], atol=1e-5, rtol=1e-5)
        np.testing.assert_allclose(network.double()(logits.double(), image.double()), local['temperature_float64'], atol=1e-9)
        np.testing.assert_allclose(network_of(local, 4.)(logits, image), local['temperature_weights_times4'], atol=1e-4)
        np.testing.assert_allclose(network_of(local, 0.)(logits, image), local['temperature_zero_weights'], atol=1e-6)


def test_gradients_of_the_local_temperature(local):
    logits, image, labels = (torch.from_numpy(local[name]) for name in ('logits', 'image', 'labels'))
    network = network_of(local)
    before = F.cross_entropy(logits, labels.long(), ignore_index=255)
    loss = F.cross_entropy(logits / network(logits, image), labels.long(), ignore_index=255)
    loss.backward()
    assert before.item() == pytest.approx(float(local['nll_before']), rel=1e-5)
    assert loss.item() == pytest.approx(float(local['nll_after']), rel=1e-5)
    for part, names in PARTS.items():
        for index, name in enumerate(names):
            for kind in ('weight', 'bias'):
                if f'grad_{name}_{kind}' in local:
                    expected = local[f'grad_{name}_{kind}'].ravel()
                    found = getattr(getattr(network, part), kind).grad[index].numpy().ravel()
                    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())

"""Softmax sums against PyTorch and against sums taken class by class."""
import numpy as np
import pytest
import torch

from mmseg_uncertainty.functional.calibration_error import reliability_sums
from mmseg_uncertainty.functional.softmax_statistics import class_reliability_sums, pixel_softmax, softmax_statistics


def test_class_probabilities_sums_match_one_versus_rest():
    random = np.random.default_rng(0)
    probabilities = torch.from_numpy(random.dirichlet([.3] * 5, 400).T.astype(np.float32))
    labels = random.integers(0, 5, 400)
    sums = class_reliability_sums(probabilities, torch.from_numpy(labels))
    for index in range(5):
        expected = reliability_sums(probabilities[index].numpy(), labels == index)
        for name in ('count', 'correct'):
            np.testing.assert_array_equal(getattr(sums, name)[index], getattr(expected, name))
        np.testing.assert_allclose(sums.confidence_sum[index], expected.confidence_sum, atol=1e-5)


def test_softmax_statistics_are_those_of_torch():
    random = np.random.default_rng(0)
    logits = torch.from_numpy(random.normal(size=(6, 700)) * 5)
    labels = torch.from_numpy(random.integers(0, 6, 700))
    statistics = softmax_statistics(logits.float(), labels)
    probabilities = logits.softmax(0)
    onehot = torch.nn.functional.one_hot(labels, 6).T
    np.testing.assert_allclose(statistics.confidence, probabilities.amax(0), rtol=1e-6)
    assert statistics.nll == pytest.approx(float(torch.nn.functional.cross_entropy(logits.T, labels, reduction='sum')))
    assert statistics.brier == pytest.approx(float((probabilities - onehot).square().sum()), rel=1e-6)
    np.testing.assert_array_equal(statistics.correct, probabilities.argmax(0) == labels)


def test_classes_that_do_not_exclude_each_other_are_coins():
    generator = torch.Generator().manual_seed(0)
    logits, labels = 3 * torch.randn(5, 200, generator=generator), torch.randint(5, (200, ), generator=generator)
    pixels = pixel_softmax(logits, labels, exclusive=False)
    probabilities, onehot = logits.double().sigmoid(), torch.nn.functional.one_hot(labels, 5).T.double()
    np.testing.assert_allclose(pixels.brier, (probabilities - onehot).square().sum(0), rtol=1e-5)
    coins = torch.nn.functional.binary_cross_entropy(probabilities, onehot, reduction='none').sum(0)
    np.testing.assert_allclose(pixels.nll, coins, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(pixels.confidence, probabilities.amax(0), rtol=1e-6)

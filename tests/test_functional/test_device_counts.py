"""Counting on a device against counting on the host."""
import numpy as np
import pytest
import torch
from torch import Tensor

from mmseg_uncertainty.functional import device_counts
from mmseg_uncertainty.functional.calibration_error import add_to_bins, equal_width_bins
from mmseg_uncertainty.functional.device_calibration import (class_reliability_counts, equal_width_cells,
                                                             reliability_counts)
from mmseg_uncertainty.functional.device_counts import count_cells
from mmseg_uncertainty.functional.score_histogram import score_keys, score_keys_of_tensor
from mmseg_uncertainty.functional.softmax_statistics import class_reliability_sums


@pytest.mark.parametrize('dtype', [torch.uint8, torch.int32, torch.int64])
@pytest.mark.parametrize('size', [1, 7, 200, 100_000])
def test_both_ways_of_counting_agree_and_drop_what_lies_beyond(monkeypatch, dtype, size):
    cells = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (50, 60))).to(dtype)
    before = cells.clone()
    plain = count_cells(cells, size)
    monkeypatch.setattr(device_counts, 'on_host', lambda values: not isinstance(values, Tensor))
    device = count_cells(cells, size)
    assert plain.shape == (size, ) and plain.dtype == device.dtype == torch.int64
    assert torch.equal(plain, device) and torch.equal(cells, before)
    assert torch.equal(count_cells(cells, size, torch.full_like(cells, 3, dtype=torch.int64)), 3 * plain)


@pytest.mark.parametrize('bins', [*range(1, 40), 100, 1000])
def test_equal_width_cells_are_the_bins_also_on_every_edge(bins):
    edges = np.linspace(0, 1, bins + 1).astype(np.float32)
    values = np.clip(np.r_[edges, np.nextafter(edges, np.float32(2)), np.nextafter(edges, np.float32(-1))], 0, 1)
    np.testing.assert_array_equal(equal_width_cells(torch.from_numpy(values), bins), equal_width_bins(values, bins))


def test_reliability_is_that_of_the_host_and_void_may_be_anything():
    random = np.random.default_rng(1)
    confidence, correct, counted = random.random(900, np.float32), random.random(900) < .6, random.random(900) < .8
    cells = equal_width_bins(confidence, 9)
    sums = np.zeros((3, 9), np.int64)
    add_to_bins(sums, cells[counted], confidence[counted], correct[counted])
    confidence[~counted] = np.nan
    found = reliability_counts(torch.from_numpy(cells), 9, *map(torch.from_numpy, (confidence, correct, counted)))
    np.testing.assert_array_equal(found, sums)


def test_classwise_reliability_is_that_of_the_host():
    random = np.random.default_rng(2)
    probabilities = torch.from_numpy(random.normal(size=(5, 700)).astype(np.float32) * 4).softmax(0)
    labels = torch.from_numpy(random.choice([0, 1, 2, 3, 4, 255], 700)).to(torch.uint8)
    sums = class_reliability_sums(probabilities, labels, 15)
    found = class_reliability_counts(probabilities, labels, 15)
    np.testing.assert_array_equal(found, np.stack([sums.count, sums.correct, sums.confidence]))


@pytest.mark.filterwarnings('ignore:invalid value')
@pytest.mark.parametrize('bits', [10, 16, 24])
def test_keys_of_tensors_are_those_of_arrays(bits):
    patterns = np.random.default_rng(3).integers(-2**31, 2**31, 5000).astype(np.int32)
    scores = np.r_[patterns.view(np.float32), np.float32([0, -0., np.inf, -np.inf, np.nan])]
    np.testing.assert_array_equal(score_keys_of_tensor(torch.from_numpy(scores), bits), score_keys(scores, bits))

import numpy as np
import pytest
import torch

from mmseg_uncertainty.functional.prediction_sets import SetFamily, set_sizes
from mmseg_uncertainty.functional.set_size_curves import SIZE_BINS, mean_sizes, size_histogram


@pytest.fixture(params=['lac', 'aps', 'raps'])
def swept(request):
    generator = torch.Generator().manual_seed(0)
    probabilities = (3 * torch.randn(3, 5, 300, 260, generator=generator)).softmax(1)
    valid = torch.rand(3, 300, 260, generator=generator) < 0.8
    valid[2] = False
    family = SetFamily(request.param)
    return family, probabilities, valid, size_histogram(family, probabilities, valid).numpy()


def direct_sizes(family, probabilities, valid, threshold):
    sizes = set_sizes(family.sets(probabilities, threshold)).double() * valid
    return (sizes.sum((1, 2)) / valid.sum((1, 2)).clamp(min=1)).numpy()


def test_sizes_lie_between_those_of_the_threshold_and_of_one_slightly_smaller(swept):
    family, probabilities, valid, histogram = swept
    thresholds = [1.0, 0.5, 0.1, 1e-3, 0.0]
    sizes = mean_sizes(histogram, valid.sum((1, 2)).numpy(), thresholds)
    for column, threshold in enumerate(thresholds):
        assert (sizes[:, column] >= direct_sizes(family, probabilities, valid, threshold) - 1e-9).all()
        assert (sizes[:, column] <= direct_sizes(family, probabilities, valid, threshold * (1 - 2**-5)) + 1e-9).all()


def test_sizes_run_from_one_class_to_all(swept):
    _, _, valid, histogram = swept
    assert histogram.shape == (3, SIZE_BINS) and histogram.sum() == 5 * valid.sum()
    sizes = mean_sizes(histogram, valid.sum((1, 2)).numpy(), [1.0, 0.0])
    np.testing.assert_allclose(sizes, [[1, 5], [1, 5], [0, 0]])


def test_predicted_classes_are_in_every_set():
    generator = torch.Generator().manual_seed(1)
    probabilities = torch.randn(2, 4, 150, 130, generator=generator).softmax(1)
    predicted, valid = torch.randint(4, (2, 150, 130), generator=generator), torch.ones(2, 150, 130, dtype=torch.bool)
    family = SetFamily('lac')
    histogram = size_histogram(family, probabilities, valid, predicted).numpy()
    np.testing.assert_allclose(mean_sizes(histogram, np.full(2, 150 * 130), [1.0]), 1)
    sizes = mean_sizes(histogram, np.full(2, 150 * 130), [0.4])[:, 0]
    for threshold, ahead in ((0.4, 1), (0.4 * (1 - 2**-5), -1)):
        direct = set_sizes(family.sets(probabilities, threshold, predicted)).double().mean((1, 2)).numpy()
        assert (ahead * (sizes - direct) >= -1e-9).all()

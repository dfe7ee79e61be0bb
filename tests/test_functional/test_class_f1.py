"""F1 against scikit-learn, and what absent classes do."""
import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from mmseg_uncertainty.functional import device_counts
from mmseg_uncertainty.functional.class_f1 import class_counts, f1_per_class, macro_f1


def test_f1_is_that_of_scikit_learn():
    predictions, labels = torch.from_numpy(np.random.default_rng(0).integers(0, 5, (2, 500)))
    counts = class_counts(predictions, labels, 5)
    np.testing.assert_allclose(f1_per_class(counts), f1_score(labels, predictions, average=None), atol=1e-12)
    assert macro_f1(counts) == pytest.approx(f1_score(labels, predictions, average='macro'), abs=1e-12)


def test_absent_classes_follow_the_policy():
    counts = class_counts(torch.tensor([0, 0, 1]), torch.tensor([0, 0, 0]), 3)
    assert macro_f1(counts, 'ignore') == pytest.approx((.8 + 0) / 2)
    assert macro_f1(counts, 'perfect') == pytest.approx((.8 + 0 + 1) / 3)
    assert macro_f1(counts, 'zero') == pytest.approx((.8 + 0 + 0) / 3)
    with pytest.raises(ValueError, match='absent='):
        macro_f1(counts, 'skip')


def test_batches_add_up_and_leading_dimensions_are_independent():
    predictions, labels = torch.from_numpy(np.random.default_rng(1).integers(0, 4, (2, 600)))
    parts = [class_counts(predictions[part], labels[part], 4) for part in (slice(200), slice(200, None))]
    np.testing.assert_array_equal(sum(parts), class_counts(predictions, labels, 4))
    np.testing.assert_array_equal(macro_f1(np.stack(parts)), [*map(macro_f1, parts)])


def test_no_pixels_give_nan():
    assert np.isnan(macro_f1(np.zeros((3, 4), int)))


def test_a_device_counts_the_same(monkeypatch):
    predictions, labels = torch.from_numpy(np.random.default_rng(2).integers(0, 5, (2, 300)))
    labels[::7] = 255
    expected = class_counts(predictions, labels, 5)
    monkeypatch.setattr(device_counts, 'on_host', lambda values: False)
    assert torch.equal(class_counts(predictions, labels, 5), expected)

"""What one pass leaves for fitting, of one window or several."""
import pytest
import torch

from mmseg_uncertainty.structures import FrozenOutputs
from mmseg_uncertainty.structures.frozen_outputs import stack_outputs
from tests.test_structures.test_grid_outputs import outputs_of, windows_of


def test_native_outputs_are_one_window_and_windows_take_their_place():
    logits, native = torch.randn(2, 5, 24, 40), outputs_of()
    alone = FrozenOutputs(logits, native.logits, native.features)
    assert len(alone.windows) == 1 and torch.equal(alone.native_logits, native.logits)
    assert torch.equal(alone.features, native.features) and alone.with_labels(torch.zeros(2, 24, 40))[0] is alone.windows[0]
    windows, _ = windows_of()
    assert FrozenOutputs(logits, native.logits, windows=windows).windows == tuple(windows)
    assert FrozenOutputs(logits).windows == () and FrozenOutputs(logits).native_logits is FrozenOutputs(logits).features is None


def test_features_are_averaged_over_all_windows():
    windows, _ = windows_of()
    mean = torch.cat([window.features for window in windows], dim=3).double().mean((2, 3))
    outputs = FrozenOutputs(torch.randn(2, 5, 24, 80), windows=windows)
    torch.testing.assert_close(outputs.image_features(), mean)
    told = FrozenOutputs(outputs.logits, windows=windows, feature_means=mean + 1)
    assert torch.equal(told.image_features(), mean + 1)
    with pytest.raises(ValueError, match='yields no features'):
        FrozenOutputs(outputs.logits, outputs.logits).image_features()


def test_other_logits_leave_the_rest():
    outputs = FrozenOutputs(torch.randn(2, 5, 24, 40), images=torch.randn(2, 3, 24, 40))
    other = outputs.with_logits(2 * outputs.logits)
    assert torch.equal(other.output.logits, 2 * outputs.output.logits) and other.images is outputs.images


def test_images_are_stacked_one_after_the_other():
    windows, whole = windows_of()
    logits = torch.randn(2, 5, 24, 80)
    both = FrozenOutputs(logits, windows=windows, grids=[whole] * 2)
    single = [FrozenOutputs(logits[index:index + 1], windows=[window.of(index) for window in windows], grids=[whole])
              for index in range(2)]
    stacked = stack_outputs(single)
    assert stack_outputs(single[:1]) is single[0] and stacked.grids == both.grids and stacked.images is None
    assert torch.equal(stacked.logits, logits) and torch.equal(stacked.native_logits, both.native_logits)

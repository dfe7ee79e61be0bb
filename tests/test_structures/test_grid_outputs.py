"""Outputs at cells against the pixels they lie on."""
import pytest
import torch

from mmseg_uncertainty.runtime.tiles import Window
from mmseg_uncertainty.structures import FrozenOutputs, Grid
from mmseg_uncertainty.structures.grid_outputs import GridOutputs, stack_grids

SIZE, CELLS = (24, 40), (6, 10)


def grid_of(right=0, bottom=0):
    """A fourth of the pixels of an input that was padded."""
    return Grid.of_input(SIZE, dict(padding_size=[0, right, 0, bottom]), False).over(CELLS)


def outputs_of(grids=(), count=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits, features = (torch.randn(count, channels, *CELLS, generator=generator) for channels in (5, 3))
    return GridOutputs(logits, features, tuple(grids))


@pytest.mark.parametrize('paddings', [[(0, 0), (0, 0)], [(8, 0), (0, 4)], [(0, 0), (12, 20)]])
def test_features_are_summed_over_the_cells_of_the_image(paddings):
    outputs = outputs_of([grid_of(*padding) for padding in paddings])
    sums, counts = outputs.image_features()
    assert sums.shape == (2, 3) and counts.shape == (2, ) and sums.dtype == counts.dtype == torch.float64
    for index, (right, bottom) in enumerate(paddings):
        rows, columns = 6 - bottom // 4, 10 - right // 4
        assert counts[index] == rows * columns
        torch.testing.assert_close(sums[index], outputs.features[index, :, :rows, :columns].double().sum((1, 2)))


def test_classes_are_the_likeliest_or_those_predicted():
    outputs = outputs_of()
    assert torch.equal(outputs.classes, outputs.logits.argsort(dim=1)[:, -1])
    assert torch.equal(GridOutputs(outputs.logits, predicted=torch.ones(2, *CELLS)).classes, torch.ones(2, *CELLS).long())


@pytest.mark.parametrize('grids', [(), (grid_of(), grid_of())])
def test_labels_are_those_at_the_centres_of_the_cells(grids):
    labels = torch.arange(2 * 24 * 40).reshape(2, *SIZE)
    assert torch.equal(outputs_of(grids).labels(labels), labels[:, 2::4, 2::4])


def test_maps_come_apart_and_together():
    outputs = outputs_of([grid_of(8), grid_of(0, 4)])
    joined = stack_grids([outputs.of(0), outputs.of(1)])
    assert joined.grids == outputs.grids and stack_grids([outputs]) is outputs
    assert torch.equal(joined.logits, outputs.logits) and torch.equal(joined.features, outputs.features)


def windows_of(count=2):
    """Two halves of inputs of twice the width."""
    size = SIZE[0], 2 * SIZE[1]
    whole = Grid.of_input(size, {}, False)
    places = [whole.over(CELLS, Window(0, 24, left, left + 40)) for left in (0, 40)]
    return [outputs_of([place] * count, count, seed) for seed, place in enumerate(places)], whole


@pytest.mark.parametrize('count', [1, 2])
def test_windows_are_read_beside_their_part_of_the_labels(count):
    windows, whole = windows_of(count)
    outputs = FrozenOutputs(torch.randn(count, 5, 24, 80), windows=windows, grids=[whole] * count)
    labels = torch.arange(count * 24 * 80).reshape(count, 24, 80)
    native, output, parts = outputs.with_labels(labels)
    assert torch.equal(parts, torch.cat([labels[..., :40], labels[..., 40:]]))
    assert torch.equal(output.logits, torch.cat([outputs.logits[..., :40], outputs.logits[..., 40:]]))
    assert torch.equal(output.classes, output.logits.argmax(1))
    assert torch.equal(native.logits, torch.cat([window.logits for window in windows])) and len(native.grids) == 2 * count
    with pytest.raises(ValueError, match=r'Labels of \(12, 40\) pixels cannot be cut'):
        outputs.with_labels(labels[:, ::2, ::2])

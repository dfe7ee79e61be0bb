"""Where cells lie: against resizing by torch, and against labels brought onto them pixel by pixel."""
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from mmseg_uncertainty.runtime.tiles import Window, sliding_windows
from mmseg_uncertainty.structures import Grid, MapOnGrid
from mmseg_uncertainty.structures.grid import FLIPS

DIRECTIONS = (None, *FLIPS)


@st.composite
def grids(draw, labels_padded=False):
    """A grid over an image that was flipped and padded on all sides."""
    height, width = draw(st.integers(8, 40)), draw(st.integers(8, 40))
    padding = tuple(draw(st.integers(0, 9)) for _ in range(4))
    size = height + padding[2] + padding[3], width + padding[0] + padding[1]
    flip, stride = draw(st.sampled_from(DIRECTIONS)), draw(st.sampled_from([1, 2, 3, 4, 8]))
    meta = dict(flip=flip is not None, flip_direction=flip, padding_size=padding, ori_shape=(height, width))
    grid = Grid.of_input(size, meta, draw(st.booleans()), labels_padded)
    return grid.over((-(-size[0] // stride), -(-size[1] // stride)))


def position_maps(height, width):
    """Row and column of every pixel, shape (1, 2, H, W), float64."""
    return torch.stack(torch.meshgrid(torch.arange(height).double(), torch.arange(width).double(), indexing='ij'))[None]


def network_input(grid, image):
    """What pipeline and preprocessor make of an image (1, C, H, W)."""
    dims = [axis for axis, does in zip((2, 3), FLIPS.get(grid.flip, ())) if does]
    return F.pad(image.flip(dims=dims) if dims else image, grid.padding, value=-99.)


@settings(max_examples=60, deadline=None)
@given(grid=grids())
def test_what_was_flipped_and_padded_comes_back_pixel_by_pixel(grid):
    image = position_maps(*grid.image_size)
    assert torch.equal(grid.to_image(network_input(grid, image)), image)


@settings(max_examples=60, deadline=None)
@given(grid=grids())
def test_positions_are_where_interpolation_takes_its_values(grid):
    """The map of positions, sampled at the cells by torch, holds the position of each cell."""
    image = position_maps(*grid.image_size)
    # Positions go on linearly into the padding, so that no cell sees an edge.
    extended = network_input(grid, image)
    rows, columns = Grid.of_input(grid.input_size, dict(flip=grid.flip is not None, flip_direction=grid.flip, padding_size=(
        grid.padding), ori_shape=grid.image_size), grid.align_corners).image_positions()
    extended = torch.stack(torch.meshgrid(rows, columns, indexing='ij'))[None]
    centres = [torch.linspace(0, side - 1, cells, dtype=torch.float64) if grid.align_corners and cells > 1
               else (torch.arange(cells) + 0.5).double() * side / cells - 0.5 for side, cells in zip(grid.input_size, grid.size)]
    sampled = bilinear(extended[0].numpy(), *(axis.numpy() for axis in centres))
    found = np.stack(np.meshgrid(*(axis.numpy() for axis in grid.image_positions()), indexing='ij'))
    np.testing.assert_allclose(found, sampled, atol=1e-9)


def bilinear(maps, rows, columns):
    """Values (2, len(rows), len(columns)) between the pixels of maps (2, H, W), linear beyond the outermost centres."""
    def along(values, positions):
        low = np.clip(np.floor(positions).astype(int), 0, max(values.shape[-1] - 2, 0))
        high = np.minimum(low + 1, values.shape[-1] - 1)
        return values[..., low] + (values[..., high] - values[..., low]) * (positions - low)
    return np.swapaxes(along(np.swapaxes(along(maps, columns), 1, 2), rows), 1, 2)


@settings(max_examples=60, deadline=None)
@given(grid=grids(), scale=st.sampled_from([1, 2, 3]))
def test_labels_lie_under_the_centres_of_the_cells(grid, scale):
    size = grid.image_size[0] * scale, grid.image_size[1] * scale
    labels = torch.arange(size[0] * size[1]).reshape(size)
    found = grid.labels(labels, outside=-1)
    rows, columns = (axis.numpy() for axis in grid.image_positions(size))
    valid = grid.valid().numpy()
    for row, column in itertools.product(range(0, grid.size[0], 3), range(0, grid.size[1], 3)):
        if not valid[row, column]:
            assert found[row, column] == -1
            continue
        true_row, true_column = divmod(int(found[row, column]), size[1])
        # At most half a pixel off, plus what a cell on the rim of the image reaches beyond the last centre.
        for true, position, length in ((true_row, rows[row], size[0]), (true_column, columns[column], size[1])):
            assert abs(true - np.clip(position, 0, length - 1)) <= 0.5 + 1e-9


@settings(max_examples=40, deadline=None)
@given(grid=grids())
def test_only_cells_over_the_image_are_valid(grid):
    rows, columns = grid.image_positions()
    inside = [(axis >= -0.5 - 1e-9) & (axis <= length - 0.5 + 1e-9) for axis, length in zip((rows, columns), grid.image_size)]
    if not grid.align_corners:
        assert torch.equal(grid.valid(), inside[0][:, None] & inside[1])
    assert grid.is_padded == any(grid.padding)


@settings(max_examples=40, deadline=None)
@given(grid=grids(labels_padded=True))
def test_labels_that_were_padded_with_the_image_are_not_moved(grid):
    labels = torch.arange(grid.input_size[0] * grid.input_size[1]).reshape(grid.input_size)
    whole = grid.over(grid.input_size)
    valid = whole.valid()
    assert torch.equal(whole.labels(labels, -1)[valid], labels[valid]) and (whole.labels(labels, -1)[~valid] == -1).all()
    assert torch.equal(whole.to_image(labels[None, None].double(), grid.input_size)[0, 0], labels.double())


def test_labels_of_cells_without_padding_are_those_of_nearest_exact():
    labels = torch.randint(0, 9, (37, 53), generator=torch.Generator().manual_seed(0))
    grid = Grid.of_input((37, 53), {}, False).over((10, 14))
    expected = F.interpolate(labels[None, None].double(), (10, 14), mode='nearest-exact')[0, 0].long()
    assert torch.equal(grid.labels(labels), expected)


@settings(max_examples=40, deadline=None)
@given(size=st.tuples(st.integers(1, 60), st.integers(1, 60)), crop=st.tuples(st.integers(1, 40), st.integers(1, 40)),
       data=st.data())
def test_windows_cover_everything_as_mmseg_lays_them(size, crop, data):
    stride = tuple(data.draw(st.integers(1, side)) for side in crop)
    count = np.zeros(size, int)
    for window in sliding_windows(size, crop, stride):
        assert window.size == tuple(min(side, most) for side, most in zip(crop, size))
        count[window.slices] += 1
    assert count.min() >= 1
    rows = max(size[0] - crop[0] + stride[0] - 1, 0) // stride[0] + 1
    columns = max(size[1] - crop[1] + stride[1] - 1, 0) // stride[1] + 1
    assert len(list(sliding_windows(size, crop, stride))) == rows * columns


def test_a_window_has_the_labels_of_its_part():
    labels = torch.arange(64 * 96).reshape(64, 96)
    grid = Grid.of_input((64, 96), {}, False).over((8, 12), Window(16, 48, 24, 72))
    assert torch.equal(grid.labels(labels), labels[16:48, 24:72][2::4, 2::4])


def test_a_map_on_its_grid_answers_as_the_grid_does():
    grid = Grid.of_input((8, 8), dict(ori_shape=(16, 12)), False)
    values = torch.rand(1, 2, 8, 8)
    assert torch.equal(MapOnGrid(values, grid).to_image(), F.interpolate(values, (16, 12), mode='bilinear'))


def test_unknown_flips_are_named():
    with pytest.raises(ValueError, match="a.png was flipped in the direction 'upwards'"):
        Grid.of_input((8, 8), dict(flip=True, flip_direction='upwards', img_path='a.png'), False)

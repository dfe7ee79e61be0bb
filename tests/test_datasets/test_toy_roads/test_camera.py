"""Perspective of the rendered streets."""
import numpy as np
import pytest

from mmseg_uncertainty.datasets.toy_roads.camera import NEAREST, Camera

CAMERA = Camera(height=100, width=160, focal=120., horizon=42., centre=75., elevation=1.5)


def test_points_far_ahead_meet_on_the_horizon():
    points = CAMERA.project(np.array([[-3, 0, 1e7], [5, 2, 1e7]]))
    assert np.allclose(points, [[75, 42], [75, 42]], atol=1e-3)


def test_camera_height_lies_on_the_horizon_at_every_depth():
    points = CAMERA.project(np.array([[1, 1.5, depth] for depth in (1, 10, 100)]))
    assert np.allclose(points[:, 1], CAMERA.horizon)


@pytest.mark.parametrize('depth', [NEAREST, 3., 40.])
def test_boards_are_projected_like_points(depth):
    outline = np.array([[-0.5, 0], [0.5, 0], [0.2, 1.8]])
    points = np.column_stack((2 + outline[:, 0], outline[:, 1], np.full(3, depth)))
    assert np.allclose(CAMERA.project_board(2, depth, outline), CAMERA.project(points))


def test_size_falls_with_depth():
    assert CAMERA.pixels_per_metre(10) == 2 * CAMERA.pixels_per_metre(20) == 12

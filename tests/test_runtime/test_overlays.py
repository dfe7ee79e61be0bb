import numpy as np

from mmseg_uncertainty.runtime.overlays import colour, outline_flags
from mmseg_uncertainty.runtime.picture_sizes import shrunk


def test_outlines_are_the_flagged_pixels_beside_others():
    flags = np.zeros((9, 12), bool)
    flags[2:7, 3:8], flags[0, 10:] = True, True
    drawn = (outline_flags(np.full((9, 12, 3), 99, np.uint8), flags) == 255).all(axis=-1)
    expected = flags.copy()
    # The border of the image is no border of what is flagged.
    expected[3:6, 4:7] = False
    assert (drawn == expected).all()
    assert not outline_flags(np.zeros((9, 12, 3), np.uint8), np.ones((9, 12), bool)).any()


def test_lines_are_as_wide_as_the_image_is_large():
    flags = np.zeros((40, 1800), bool)
    flags[:, 900:] = True
    drawn = (outline_flags(np.zeros((40, 1800, 3), np.uint8), flags) == 255).all(axis=-1)
    assert (drawn.sum(axis=1) == 3).all() and drawn[:, 900:903].all()


def test_classes_have_their_colours_however_many_there_are():
    for count, kind in ((7, np.uint8), (300, np.uint16)):
        palette = np.random.default_rng(count).integers(1, 256, (count, 3))
        labels = np.arange(count, dtype=kind)[None].repeat(2, axis=0)
        np.testing.assert_array_equal(colour(labels, palette)[0], palette)
    assert not colour(np.full((1, 1), 255), [[9, 9, 9]] * 7).any()


def test_large_maps_shrink_to_their_means():
    ramp = np.linspace(0, 1, 4000, dtype=np.float32)[None].repeat(3000, axis=0)
    np.testing.assert_allclose(shrunk(ramp, (675, 900))[9], ramp[0].reshape(-1, 40).mean(axis=1).repeat(9), atol=6e-3)

import numpy as np

from mmseg_uncertainty.runtime.overlays import outline_flags


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

"""Light and haze of the rendered streets."""
import numpy as np
import pytest

from mmseg_uncertainty.datasets.toy_roads.light import CONDITIONS, Light


def sample(condition, seed=0):
    return Light.sample(np.random.default_rng(seed), (condition, ))


@pytest.mark.parametrize('condition', CONDITIONS)
def test_everything_fades_into_haze(condition):
    light = sample(condition)
    white, black = (light.fall(np.full(3, value), 1e9) for value in (255., 0.))
    assert np.allclose(white, light.haze_colour, atol=1e-2) and np.allclose(black, light.haze_colour, atol=1e-2)


@pytest.mark.parametrize('depth', [0., 4., 90.])
def test_one_colour_and_arrays_of_colours_agree(depth):
    light, colour = sample('dusk'), (200., 90., 30.)
    assert np.allclose(light.fall_on_face(colour, depth, 0.7), light.fall(np.array(colour), depth, 0.7))


def test_surfaces_that_face_the_sun_are_brighter():
    light = sample('sunny')
    towards = 1 if light.sun > 0 else -1
    assert 0 < light.facing(-towards) < light.facing(towards) <= 1

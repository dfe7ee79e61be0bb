"""Where a map lies in its image."""
import torch

from mmseg_uncertainty.structures import Place


def test_the_whole_of_an_image_is_every_pixel_of_it():
    image = torch.arange(15).reshape(3, 5)
    place = Place.whole(image.shape)
    assert place.size == (3, 5) == place.window.size and torch.equal(image[place.window.slices], image)

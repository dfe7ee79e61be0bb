"""Sampling pixels of resized maps equals resizing first."""
import pytest
import torch
from torch.nn import functional as F

from mmseg_uncertainty.functional.pixel_samples import at_pixels, draw_pixels, labels_at


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize(('native', 'size'), [((3, 5), (9, 20)), ((6, 4), (6, 4)), ((1, 1), (7, 3)), ((8, 8), (5, 3)),
                                               ((4, 5), (1, 6))])
def test_values_are_those_of_the_resized_map(native, size, align_corners):
    maps = torch.randn(2, 3, *native, dtype=torch.float64)
    pixels = torch.cartesian_prod(torch.arange(size[0]), torch.arange(size[1])).expand(2, -1, -1)
    resized = F.interpolate(maps, size=size, mode='bilinear', align_corners=align_corners)
    torch.testing.assert_close(at_pixels(maps, pixels, size, align_corners), resized.flatten(2)[..., None])


def test_labels_belong_to_the_pixels():
    torch.manual_seed(0)
    labels = torch.arange(24).view(2, 3, 4)
    pixels = draw_pixels(labels, 200)
    drawn = labels_at(labels, pixels)
    assert drawn.shape == (2, 200, 1)
    rows, columns = pixels.unbind(-1)
    torch.testing.assert_close(drawn[..., 0], torch.stack([labels[index][rows[index], columns[index]] for index in range(2)]))
    assert len(drawn[0].unique()) == 12

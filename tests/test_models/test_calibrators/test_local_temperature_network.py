"""The network keeps the size of the maps and starts where each variant says."""
import pytest
import torch

from mmseg_uncertainty.models.calibrators.local_temperature_network import LocalTemperatureNetwork


@pytest.mark.parametrize(('variant', 'start'), [('smooth', 1.), ('published', 2.)])
def test_every_pixel_has_one_temperature_that_starts_at_that_of_its_variant(variant, start):
    network = LocalTemperatureNetwork(4, variant)
    logits, images = torch.randn(2, 4, 12, 17), torch.rand(2, 3, 12, 17)
    temperature = network(logits, images)
    assert temperature.shape == (2, 1, 12, 17) and torch.allclose(temperature, torch.tensor(start))
    assert [convolution.out_channels for convolution in network.children()] == [4, 3, 1, 1]


@pytest.mark.parametrize('options', [dict(variant='rough'), dict(floor=0.), dict(floor=1.)])
def test_options_out_of_range_are_named(options):
    with pytest.raises(ValueError, match=r"variant='.*must be one of"):
        LocalTemperatureNetwork(4, **options)

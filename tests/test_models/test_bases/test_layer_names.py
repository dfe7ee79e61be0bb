"""Layers are found by what they are."""
from torch import nn

from mmseg_uncertainty.models.bases.layer_names import dropped_before


def test_dropout_right_before_a_layer_is_found():
    network = nn.Sequential(nn.Dropout(0.3), nn.Conv2d(2, 2, 1), nn.ReLU(), nn.Conv2d(2, 2, 1))
    found = [dropped_before(network, name) for name in ('1', '3', '0', None)]
    assert found == [0.3, 0, 0, 0]

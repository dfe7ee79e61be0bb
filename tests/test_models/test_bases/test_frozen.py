"""Flags of parameters, frozen and while they run."""
from torch import nn

from mmseg_uncertainty.models.bases.frozen import Frozen


def test_parameters_run_with_the_flags_they_were_trained_with():
    network = nn.Linear(2, 3)
    network.bias.requires_grad_(False)
    for _ in range(2):
        frozen = Frozen([network])
        assert not any(parameter.requires_grad for parameter in network.parameters())
        with frozen.running():
            assert network.weight.requires_grad and not network.bias.requires_grad

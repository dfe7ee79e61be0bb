"""Buffers take the size of a checkpoint, those of other modules do not."""
import pytest
import torch
from torch import nn

from mmseg_uncertainty.models.set_heads.resizable_buffers import ResizableBuffers


class Curves(ResizableBuffers):

    def __init__(self, size, inner=2):
        super().__init__()
        self.register_buffer('values', torch.arange(float(size)))
        self.inner = nn.BatchNorm1d(inner)


@pytest.mark.parametrize('prefix', ['', 'head.'])
def test_a_buffer_takes_size_and_values_of_the_checkpoint(prefix):
    saved, loaded = Curves(7), Curves(0)
    attributes = set(vars(loaded))
    state = {prefix + name: value for name, value in saved.state_dict().items()}
    (nn.ModuleDict(dict(head=loaded)) if prefix else loaded).load_state_dict(state)
    assert torch.equal(loaded.values, saved.values) and set(vars(loaded)) == attributes


def test_what_a_checkpoint_lacks_keeps_its_size_and_modules_within_are_strict():
    loaded = Curves(3)
    loaded.load_state_dict({}, strict=False)
    assert loaded.values.tolist() == [0, 1, 2]
    with pytest.raises(RuntimeError, match='size mismatch for inner'):
        loaded.load_state_dict(Curves(7, inner=3).state_dict())

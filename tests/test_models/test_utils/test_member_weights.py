"""Members are loaded as often as memory asks, and leave nothing behind."""
import copy

import pytest
import torch
from torch import nn

from mmseg_uncertainty.models.utils.member_weights import MemberWeights


class Sources(list):
    """State of other networks, and how often each was read."""

    def __init__(self, count=3):
        self.states = [nn.Linear(2, 3).state_dict() for _ in range(count)]
        self.reads = [0] * count
        super().__init__(lambda index=index: self.read(index) for index in range(count))

    def read(self, index):
        self.reads[index] += 1
        return self.states[index]


@pytest.mark.parametrize(('keep', 'reads'), [('all', [1, 0, 1]), ('one', [2, 0, 1])])
def test_a_member_is_read_once_where_all_are_kept_and_each_time_else(keep, reads):
    model, sources = nn.Linear(2, 3), Sources()
    members, own = MemberWeights(model, sources, keep), copy.deepcopy(model.state_dict())
    for member in (0, 2, 0):
        with members.of(member):
            assert all(torch.equal(value, sources.states[member][key]) for key, value in model.state_dict().items())
        assert all(torch.equal(value, own[key]) for key, value in model.state_dict().items())
    assert len(members) == 3 and sources.reads == reads


def test_kept_members_follow_the_model_to_another_device():
    model, sources = nn.Linear(2, 3), Sources()
    members = MemberWeights(model, sources)
    for device, reads in (('cpu', 1), ('meta', 2), ('meta', 2)):
        model.to(device)
        with members.of(0):
            assert model.weight.device.type == device
        assert sources.reads == [reads, 0, 0]


def test_a_member_that_fails_leaves_the_weights_of_the_model():
    model = nn.Linear(2, 3)
    own = model.weight.clone()
    with pytest.raises(RuntimeError), MemberWeights(model, Sources()).of(1):
        raise RuntimeError
    assert torch.equal(model.weight, own)

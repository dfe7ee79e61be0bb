import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mmseg_uncertainty.functional.local_temperature import mix_branches, positive_temperature, published_temperature


def test_a_zero_mixture_is_temperature_one_to_the_last_bit():
    for floor in (0.01, 0.05, 0.3, 0.9):
        assert torch.equal(positive_temperature(torch.zeros(2, 1, 3, 4), floor), torch.ones(2, 1, 3, 4))


@settings(max_examples=25, deadline=None)
@given(values=st.lists(st.floats(-1e4, 1e4, width=32), min_size=2, max_size=8), floor=st.floats(0.01, 0.9))
def test_temperatures_grow_with_the_mixture_and_stay_above_the_floor(values, floor):
    mixed = torch.tensor(sorted(values))[None, None, None]
    temperature = positive_temperature(mixed, floor)
    assert (temperature >= floor - 1e-7).all() and (temperature.diff(dim=-1) >= 0).all()


def test_the_published_rule_divides_by_two_where_the_mixture_is_zero_and_is_cut():
    assert_close(published_temperature(torch.tensor([0., -2., -9., 1.])), torch.tensor([2., 1e-8, 1e-8, 3.]))


def test_open_gates_choose_one_branch():
    branches, image_branch = torch.arange(4.).reshape(1, 4, 1, 1), torch.full((1, 1, 1, 1), 9.)
    gates = torch.full((1, 3, 1, 1), -50.)
    assert mix_branches(branches, gates, image_branch, torch.full((1, 1, 1, 1), 50.)).item() == 3
    assert mix_branches(branches, -gates, image_branch, torch.full((1, 1, 1, 1), 50.)).item() == 0
    assert mix_branches(branches, gates, image_branch, torch.full((1, 1, 1, 1), -50.)).item() == 9


def test_branches_are_mixed_as_the_formula_says():
    generator = torch.Generator().manual_seed(0)
    branches, gates, image, gate = (torch.randn(2, channels, 3, 4, generator=generator) for channels in (4, 3, 1, 1))

    def mix(opened, first, second):
        return opened.sigmoid() * first + (1 - opened.sigmoid()) * second

    left, right = mix(gates[:, 0], branches[:, 0], branches[:, 1]), mix(gates[:, 1], branches[:, 2], branches[:, 3])
    expected = mix(gate[:, 0], mix(gates[:, 2], left, right), image[:, 0])
    assert_close(mix_branches(branches, gates, image, gate)[:, 0], expected)

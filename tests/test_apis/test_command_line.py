"""What commands share."""
import sys

import pytest
import torch

from mmseg_uncertainty.apis import run_command


@pytest.fixture
def subnormals():
    torch.set_flush_denormal(False)
    yield
    torch.set_flush_denormal(True)


def test_commands_take_subnormal_numbers_for_zero(subnormals, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['tool'])
    products = []

    def main():
        products.append(bool(torch.tensor(2e-38) * 0.1 > 0))

    main()
    run_command(main)
    assert products == [True, False]

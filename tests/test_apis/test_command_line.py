"""What commands share."""
import sys

import torch

from mmseg_uncertainty.apis import run_command


def test_commands_take_subnormal_numbers_for_zero(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['tool'])
    products = []

    def main():
        products.append(bool(torch.tensor(2e-38) * 0.1 > 0))

    main()
    run_command(main)
    assert products == [True, False]


def test_other_tests_draw_any_number():
    """Hypothesis refuses to where subnormal numbers are zero, as the test above leaves them."""
    assert bool(torch.tensor(2e-38) * 0.1 > 0)

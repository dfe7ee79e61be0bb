"""Numbers of a command line are in range, or the message says what is."""
import argparse
import re
import sys

import pytest

from mmseg_uncertainty.cli.commands import main
from mmseg_uncertainty.runtime.option_types import number_between, whole_number


@pytest.mark.parametrize('kind, fits, others', [
    (whole_number(), ['1', '30'], ['0', '-1', '1.5', 'x', 'nan', '']), (whole_number(0, 5), ['0', '5'], ['-1', '6', '9' * 30]),
    (number_between(0.1, 10), ['0.1', '10', '1e0'], ['0', '11', 'nan', 'inf', '-1', 'x']),
    (number_between(0, 1, open_ended=True), ['0.5'], ['0', '1', 'nan']), (number_between(0), ['0', '1e300'], ['1e400', '-0.1'])])
def test_numbers_are_in_range(kind, fits, others):
    assert [kind(text) for text in fits] == [float(text) for text in fits]
    for text in others:
        with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}' does not fit, expected a (whole )?number"):
            kind(text)


@pytest.mark.parametrize('words, message', [
    (['infer', 'x', 'y', '--every', '-1'], "argument --every: '-1' does not fit, expected a whole number, 1 or more"),
    (['infer', 'x', 'y', '--tta', 'nan'], "argument --tta: 'nan' does not fit, expected a number from 0.1 to 10"),
    (['infer', 'x', 'y', '--threshold', 'msp=nan'], "argument --threshold: 'msp=nan' is no HEAD=VALUE"),
    (['test', 'x', '--cache-limit', '-1'], 'argument --cache-limit: .* expected a number of 0 or more'),
    (['test', 'x', '--data-root='], '--data-root: its value is empty, as where a variable of the shell is not set'),
    (['train', 'x', '--load-from', ''], '--load-from: its value is empty'),
    (['infer', '', 'y'], 'a word before the options is empty'),
    (['export', 'x', '--sizes', '0x0'], 'argument --sizes: .* is no HEIGHTxWIDTH')])
def test_options_that_do_not_fit_are_named(words, message, capsys, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['mmseg-uncertainty', *words])
    with pytest.raises(SystemExit):
        main()
    assert re.search(message, capsys.readouterr().err.splitlines()[-1])

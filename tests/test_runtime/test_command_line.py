"""Tools end in one line that says what is wrong, also where a worker process found it."""
import errno
import re
import errno
import logging
import sys

import pytest
import torch
from torch.utils.data import DataLoader

from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.runtime.command_line import Interrupted, run_plain_command


class Broken(torch.utils.data.Dataset):
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise self.error


def ending(monkeypatch, main, *arguments, **options):
    monkeypatch.setattr(sys, 'argv', ['tool.py', *arguments])
    with pytest.raises(SystemExit) as ended:
        run_plain_command(main, **options)
    return ended.value.code


def raising(error):
    def main():
        raise error
    return main


@pytest.mark.parametrize('error, line', [
    (KeyError('no key'), 'KeyError: no key'),
    (KeyError('inputs'), r"KeyError: 'inputs' is missing, which test_command_line.py, line \d+, asked for. Add --debug"),
    (ValueError('one\n  and two\n'), 'ValueError: one and two$'),
    (OSError(errno.ENOSPC, 'No space left on device', 'a.json'), 'OSError: a.json: No space left on device. Check'),
    (FileNotFoundError(errno.ENOENT, 'No such file', 'b.py'), 'FileNotFoundError: b.py: No such file'),
    (TypeError("Streets.__init__() got an unexpected keyword argument 'lenght'"), "TypeError: Streets.*'lenght'"),
    (RuntimeError('DataLoader worker (pid 3) is killed by signal: Killed.'), 'RuntimeError: .*Killed.*num_workers=0')])
def test_errors_that_explain_themselves_take_a_line(monkeypatch, error, line):
    assert re.match(line, ending(monkeypatch, raising(error)))


@pytest.mark.parametrize('error', [TypeError('unsupported operand'), RuntimeError('shape mismatch'), AssertionError()])
def test_faults_of_the_program_keep_their_traceback(monkeypatch, error):
    monkeypatch.setattr(sys, 'argv', ['tool.py'])
    with pytest.raises(type(error)):
        run_plain_command(raising(error))


def test_debug_keeps_every_traceback(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['tool.py', '--debug'])
    for error in (ValueError(), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            run_plain_command(raising(error))


@pytest.mark.parametrize('message', ['d.png is broken: repair it.', 'first: line\nsecond: line\n  indented'])
@pytest.mark.parametrize('kind', [DatasetError, KeyError])
def test_errors_of_workers_lose_the_traceback_of_the_worker(monkeypatch, kind, message):
    loader = DataLoader(Broken(kind(message)), num_workers=1, multiprocessing_context='fork')
    told = ending(monkeypatch, lambda: list(loader))
    assert told == f'{kind.__name__}: {" ".join((repr(message) if kind is KeyError else message).split())}'


def test_an_interrupt_takes_a_line_and_its_exit_status(monkeypatch, capsys):
    assert ending(monkeypatch, raising(KeyboardInterrupt()), on_interrupt='Finished cells are kept.') == 130
    assert ending(monkeypatch, raising(Interrupted('Saved a.pth.'))) == 130
    told = capsys.readouterr().err.split('\n')[1::2]
    assert told == ['Interrupted. Finished cells are kept.', 'Interrupted. Saved a.pth.']


def test_a_full_disk_is_named_and_logs_that_cannot_be_written_are_silent(monkeypatch):
    assert 'Make room on the disk' in ending(monkeypatch, raising(OSError(errno.ENOSPC, 'No space left on device')))
    assert not logging.raiseExceptions


def test_links_that_lead_to_themselves_are_named(monkeypatch, tmp_path):
    (tmp_path / 'loop').symlink_to(tmp_path / 'loop')
    assert 'loop' in ending(monkeypatch, lambda: (tmp_path / 'loop/run').resolve(strict=True))
    assert 'Choose another path' in ending(monkeypatch, raising(RuntimeError("Symlink loop from 'loop/run'")))

"""A run prints what a person needs; its log file has the rest."""
import io
import logging
import sys

import pytest

from mmseg_uncertainty.cli import run
from mmseg_uncertainty.cli.quiet_output import QuietOutput, quiet_output
from tests.test_tools.test_train_and_test import base, scores_config  # noqa: F401


def test_whole_messages_go_and_others_stay():
    stream = io.StringIO()
    print('Could not import OneDL', file=(output := QuietOutput(stream)))
    print('kept', file=output)
    print('The model and loaded state dict do not match exactly\n\nmissing keys: a', file=output)
    print('', file=output)
    logger = logging.Logger('a')
    logger.addHandler(handler := logging.StreamHandler(output))
    handler.setFormatter(logging.Formatter('%(asctime)s - mmengine - %(levelname)s - %(message)s', datefmt='%m/%d %H:%M:%S'))
    for text in ('Config:\na = 1', '\n' + '-' * 60 + '\nSystem environment:\n    sys', 'temperature 1.5'):
        logger.info(text)
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ['kept', ''] and len(lines) == 3 and lines[2].endswith('temperature 1.5')


def test_standard_output_is_given_back():
    before = sys.stdout
    with pytest.raises(KeyError), quiet_output():
        raise KeyError
    assert sys.stdout is before


def test_a_test_prints_its_table_and_where_it_lies(scores_config, base, tmp_path, monkeypatch, capsys):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    run('test', [str(scores_config), str(base), '--eval', 'IDM', '--out', 'r.json'])
    told = capsys.readouterr().out
    assert 'IDM_AUROC' in told and 'Results: r.json' in told and 'log:' in told
    assert not any(noise in told for noise in ('System environment', 'Config:', 'Hooks', 'OneDL'))
    log, = (tmp_path / 'work_dirs/scores').rglob('*.log')
    assert 'System environment' in log.read_text() and str(log.name) in told

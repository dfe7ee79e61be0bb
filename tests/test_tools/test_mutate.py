"""The mutation run changes single lines, and knows a test that notices from one that does not."""
import ast
import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = '''"""Halves."""
LIMIT: int | None = 3


def half(value: float) -> float:
    """Half of a value - or less."""
    if value < 0:
        raise ValueError(f'{value} < 0')
    return value / 2


def unseen(value):
    return -value
'''
TEST = '''from mmseg_uncertainty.functional.half import half


def test_half():
    assert half(4) == 2
'''


@pytest.fixture
def tool(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))  # for the processes that run the tests, too
    monkeypatch.delitem(sys.modules, 'mutate', raising=False)
    module = importlib.import_module('mutate')
    monkeypatch.setattr(module, 'ROOT', tmp_path)
    (tmp_path / 'mmseg_uncertainty/functional').mkdir(parents=True)
    for folder in ('mmseg_uncertainty', 'mmseg_uncertainty/functional'):
        (tmp_path / folder / '__init__.py').touch()
    (tmp_path / 'mmseg_uncertainty/functional/half.py').write_text(CODE)
    (tmp_path / 'tests/test_functional').mkdir(parents=True)
    (tmp_path / 'tests/test_functional/test_half.py').write_text(TEST)
    return module


def found(tool):
    return list(tool.mutants(tool.ROOT / 'mmseg_uncertainty/functional/half.py'))


def test_a_mutant_changes_one_line_of_code_and_still_parses(tool):
    for mutant in found(tool):
        ast.parse(mutant.text)
        changed = [(one, other) for one, other in zip(CODE.splitlines(), mutant.text.splitlines()) if one != other]
        assert [(one.strip(), other.strip()) for one, other in changed] == [(mutant.before, mutant.after)]
    assert {mutant.after for mutant in found(tool)} == {
        'LIMIT: int | None = (4)', 'if (value <= 0):', 'if value < (1):', 'return (value * 2)', 'return value / (3)',
        'return (value)'}


def test_what_a_test_notices_is_killed_and_what_none_sees_survives(tool):
    verdict = {mutant.after: tool.survives(mutant, 60) for mutant in found(tool)}
    assert not verdict['return (value * 2)'] and not verdict['return value / (3)']
    assert verdict['return (value)'] and verdict['if (value <= 0):']


def test_tests_that_mirror_or_import_a_module_are_run(tool):
    assert tool.tests_of('mmseg_uncertainty/functional/half.py') == ('tests/test_functional/test_half.py', )


@pytest.mark.parametrize('test, line', [(TEST, ' of 2 mutants killed'), (TEST.replace('== 2', '== 3'), 'fail without any change')])
def test_the_score_counts_modules_whose_tests_pass_unchanged(tool, monkeypatch, capsys, test, line):
    (tool.ROOT / 'tests/test_functional/test_half.py').write_text(test)
    monkeypatch.setattr(sys, 'argv', ['mutate.py', '--per-module', '2', '--jobs', '1', '--out', str(tool.ROOT / 'verdicts.json')])
    tool.main()
    printed = capsys.readouterr().out
    assert line in printed and ('0 of 0' in printed) == ('any change' in line)

"""Commands with broken inputs end with the right result or with one line, and leave nothing half-written; a part of
``tools/fuzz_commands.py``."""
import json
from pathlib import Path

import pytest

from mmseg_uncertainty.engine import weight_files
from mmseg_uncertainty.runtime import json_files
from tests.fuzzing.case import EITHER, REFUSED, SAME, Case
from tests.fuzzing.forked import MESSAGE as BEFORE_MESSAGE
from tests.fuzzing.forked import Outcome, run_forked
from tests.fuzzing.judge import MESSAGE, RIGHT, judge, listing
from tests.fuzzing.runs import Workplace, all_cases, drawn
from tests.fuzzing.sound import CALLS

# Cases of these are refused, or are done, within a second or two.
QUICK = ('infer', 'fit', 'test', 'train_statistics', 'export', 'models')
CASES = drawn((case for case in all_cases() if case.call in QUICK and case.expects == REFUSED), seed=0)[:18]
BY_NAME = {case.name: case for case in all_cases()}


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    return Workplace(tmp_path_factory.mktemp('fuzz') / 'place')


@pytest.mark.parametrize('case', CASES, ids=lambda case: case.name)
def test_broken_inputs_are_answered(place, case):
    verdict, outcome = place.run(case)
    assert not verdict.faults, outcome.err


@pytest.mark.parametrize('name', ['infer: image has an alpha channel', 'train_statistics: checkpoint was parallel'])
def test_what_only_looks_broken_gives_the_result_of_the_sound_call(place, name):
    verdict, outcome = place.run(BY_NAME[name])
    assert verdict.kind == RIGHT, outcome.err


def test_every_command_and_kind_of_breakage_is_among_the_first_of_any_seed():
    cases = all_cases()
    groups = {(case.call, case.kind) for case in cases}
    assert len({case.name for case in cases}) == len(cases) and set(CALLS) == {call for call, _ in groups}
    for seed in range(3):
        first = drawn(cases, seed)[:len(groups)]
        assert {(case.call, case.kind) for case in first} == groups
    assert drawn(cases, 0) != drawn(cases, 1)


@pytest.mark.parametrize('broken, fault', [
    (RuntimeError('no'), 'traceback'), (weight_files.CheckpointError('gone'), 'explains nothing'),
    (weight_files.CheckpointError('Something somewhere cannot be read; look for it.'), 'names none of')])
def test_a_worse_message_is_noticed(place, monkeypatch, broken, fault):
    case = BY_NAME['test: checkpoint is missing']
    assert place.run(case)[0].kind == MESSAGE

    def weight_files_of(path):
        raise broken

    monkeypatch.setattr(weight_files, 'weight_files', weight_files_of)
    assert fault in ' '.join(place.run(case)[0].faults)


def test_a_file_that_is_not_written_whole_is_noticed(place, monkeypatch):
    case = Case('test', 'output', 'on a full disk', CALLS['test'], expects=EITHER)

    def write_half(path, content):
        Path(path).write_text(json.dumps(content)[:100])
        raise OSError('no space left on this device')

    monkeypatch.setattr('mmseg_uncertainty.cli.test.write_json', write_half)
    assert json_files.write_json is not write_half
    assert 'r.json is half-written' in place.run(case)[0].faults


@pytest.mark.parametrize('code, err, change, fault', [
    (0, '', dict(out='{}'), 'was taken for right'), (None, '', {}, 'did not end'), (-9, '', {}, 'signal 9'),
    (1, 'ValueError: images/1.png is no image; remove the file.', {}, ''),
    (1, "KeyError: 'images'", {}, 'explains nothing'), (2, '', {}, 'no message'),
    (1, 'ValueError: images/1.png is no image; remove the file.', {'r.json': '{}'}, 'r.json was left'),
    (1, 'ValueError: images/1.png is no image; remove the file.', {'.a.partial': ''}, '.a.partial was left'),
    (1, 'ValueError: images/1.png is no image; remove the file.', {'mine.txt': 'lost'}, 'mine.txt was changed')])
def test_faults_are_told_apart(tmp_path, code, err, change, fault):
    (tmp_path / 'mine.txt').write_text('kept\n')
    before = listing(tmp_path)
    for name, text in change.items():
        (tmp_path / name).write_text(text)
    case = Case('test', 'file', 'something', CALLS['test'], expects=REFUSED, names=('images', ))
    verdict = judge(case, Outcome(code, '', BEFORE_MESSAGE + err), before, tmp_path, None)
    assert fault in ' '.join(verdict.faults) if fault else verdict.kind == MESSAGE


def test_another_result_than_that_of_the_sound_call_is_noticed(tmp_path):
    (tmp_path / 'r.json').write_text(json.dumps(dict(metrics=dict(mIoU=50.))))
    case = Case('test', 'file', 'something', CALLS['test'], expects=SAME)
    (tmp_path / 'run').mkdir()
    for sound, kind in ((dict(mIoU=50.), RIGHT), (dict(mIoU=51.), 'failure')):
        assert judge(case, Outcome(0, '', ''), {'r.json': ''}, tmp_path, sound).kind == kind


def test_a_run_that_does_not_end_is_ended_and_permissions_hold(tmp_path, monkeypatch):
    (tmp_path / 'here').mkdir()
    monkeypatch.setattr('mmseg_uncertainty.cli.main', lambda words, program: __import__('time').sleep(60))
    assert run_forked(['models'], tmp_path / 'here', timeout=0.5).code is None
    (tmp_path / 'here/locked').write_text('x')
    (tmp_path / 'here/locked').chmod(0)
    monkeypatch.setattr('mmseg_uncertainty.cli.main', lambda words, program: Path('locked').read_text())
    assert 'PermissionError' in run_forked(['models'], tmp_path / 'here', own_rights=True).err

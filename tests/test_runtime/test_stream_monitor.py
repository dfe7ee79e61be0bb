"""A watch keeps its level, sees changes, and goes on from its file as if it had never stopped."""
import json
from dataclasses import astuple

import numpy as np
import pytest

from mmseg_uncertainty import RiskMonitor, StreamMonitor

LEVEL = 0.2


def run(monitor, values):
    return [monitor.update(value) for value in values]


@pytest.mark.slow
@pytest.mark.parametrize('reference', ['online', 'fixed'])
def test_false_alarms_are_as_rare_as_promised(reference):
    generator, alarms, streams = np.random.default_rng(0), 0, 1000
    for seed in range(streams):
        monitor = StreamMonitor(generator.normal(size=20), LEVEL, reference, seed=seed)
        alarms += run(monitor, generator.normal(size=25))[-1].alarm
    assert alarms / streams <= LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / streams)


@pytest.mark.parametrize('reference', ['online', 'fixed'])
@pytest.mark.parametrize('shift', [-3, 3])
def test_changes_of_both_directions_raise_one_alarm(reference, shift):
    generator, told = np.random.default_rng(1), []
    monitor = StreamMonitor(generator.normal(size=300), 0.01, reference, on_alarm=told.append)
    assert not run(monitor, generator.normal(size=30))[-1].alarm
    states = run(monitor, generator.normal(shift, size=80))
    assert len(told) == 1 and told[0].alarm and 30 < told[0].frame == monitor.alarm_frame and states[-1].alarm


@pytest.mark.parametrize('options', [dict(), dict(reference='fixed'), dict(every=3), dict(every=3, pool='mean'),
                                     dict(every=4, calibration_every=1)])
@pytest.mark.parametrize('stopped_at', [0, 1, 17, 30])
def test_a_watch_goes_on_from_its_file(options, stopped_at, tmp_path):
    values, calibration = np.random.default_rng(2).normal(0.5, size=40).round(1), np.random.default_rng(3).normal(size=60).round(1)
    whole = run(StreamMonitor(calibration, 0.1, **options), values)
    first = StreamMonitor(calibration, 0.1, **options)
    states = run(first, values[:stopped_at])
    first.save(tmp_path / 'watch.json')
    again = StreamMonitor.load(tmp_path / 'watch.json')
    states += run(again, values[stopped_at:])
    np.testing.assert_array_equal([astuple(state) for state in states], [astuple(state) for state in whole])


def test_runs_of_frames_are_one_test():
    monitor = StreamMonitor(np.arange(40), every=4)
    states = run(monitor, [100, 0, 0, 0] * 2)
    assert [state.tested for state in states] == [False] * 3 + [True] + [False] * 3 + [True]
    assert states[3].p_value < 0.1 and len(monitor.reference) == 12


def test_the_larger_bets_need_of_a_fixed_set_is_paid():
    assert StreamMonitor(range(9), 0.1, 'fixed').alarm_at == pytest.approx(np.log(20))
    assert StreamMonitor(range(9), 0.1, 'online').alarm_at == pytest.approx(np.log(10))


@pytest.mark.parametrize('arguments, message', [
    (dict(calibration_statistics=[]), '0 calibration values'), (dict(calibration_statistics=[1, np.nan]), '1 of them not finite'),
    (dict(level=0), 'level=0'), (dict(reference='of'), "reference='of' is unknown"), (dict(every=0), 'every'),
    (dict(pool='sum'), 'pool'), (dict(pool='mean', every=2, calibration_every=1), 'means of 2 frames')])
def test_what_cannot_be_watched_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        StreamMonitor(**dict(calibration_statistics=[1.0, 2.0]) | arguments)


def test_a_frame_that_is_no_number_is_not_counted():
    monitor = StreamMonitor([1.0, 2.0])
    with pytest.raises(ValueError, match='frame 1 is nan'):
        monitor.update(np.nan)
    assert monitor.frame == 0


@pytest.mark.parametrize('text, message', [
    ('{', 'is no JSON'), ('[]', "holds 'list'"), ('{"kind": "risk monitor"}', "holds 'risk monitor'"),
    ('{"kind": "stream monitor", "format": 0}', 'format 0, expected 1'),
    ('{"kind": "stream monitor", "format": 1}', "missing: .'options'")])
def test_files_of_something_else_are_refused(text, message, tmp_path):
    path = tmp_path / 'watch.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        StreamMonitor.load(path)


def test_late_labels_tell_harm_and_go_on_from_their_file(tmp_path):
    losses = np.r_[np.full(30, 0.05), np.random.default_rng(4).beta(4, 6, 100)]
    whole, first = RiskMonitor(0.1, rate=0.02, parameter=0.3), RiskMonitor(0.1, rate=0.02, parameter=0.3)
    states = run(whole, losses)
    assert not states[29].harmful and states[-1].harmful and states[-1].lower > 0.1
    assert states[-1].parameter == pytest.approx(0.3 + 0.02 * (losses - 0.1).sum())
    run(first, losses[:50])
    first.save(tmp_path / 'risk.json')
    assert json.loads((tmp_path / 'risk.json').read_text())['kind'] == 'risk monitor'
    assert run(RiskMonitor.load(tmp_path / 'risk.json'), losses[50:]) == states[50:]
    assert not run(RiskMonitor(0.1, tolerance=0.5), losses)[-1].harmful
    with pytest.raises(ValueError, match='promise=2'):
        RiskMonitor(2)

"""A watch on a folder: no alarm where it is like the calibration frames, one where it is not, and nothing measured twice."""
import csv
import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_uncertainty.apis.uncertainty_inferencer import UncertaintyInferencer
from mmseg_uncertainty.cli import call
from mmseg_uncertainty.runtime.stream_monitor import StreamMonitor
from tests.test_datasets.small_files import write_image
from tests.tiny import tiny_base, tiny_posthoc

CALL = ('tiny.py', 'tiny.pth', '--calibration', 'calibration', '--statistic', 'energy', '--level', '0.2', '--device', 'cpu')


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A model, 40 calibration frames, frames like them, and dark frames, whose energy is another."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(Config(tiny_base())).state_dict(), meta={}), 'tiny.pth')
    Config(dict(default_scope='mmseg', model=tiny_posthoc(dict(energy=dict(type='EnergyHead'))),
                test_pipeline=[dict(type='LoadImageFromFile'), dict(type='PackSegInputs')])).dump('tiny.py')
    for index in range(40):
        write_image(tmp_path / f'calibration/{index:02}.png', (32, 32), seed=index)
    for index in range(30):
        write_image(tmp_path / f'same/{index:02}.png', (32, 32), seed=100 + index)
        (tmp_path / 'dark').mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f'dark/{index:02}.png'), np.zeros((32, 32, 3), np.uint8))
    return tmp_path


def watched(folder, *options):
    """Whether there was an alarm, and the summary."""
    try:
        call('monitor', (folder, *CALL, *options))
        code = 0
    except SystemExit as ended:
        code = ended.code
    summary = json.loads(open('work_dirs/monitor/summary.json').read())
    assert code == (3 if summary['alarm'] else 0)
    return summary


@pytest.mark.parametrize('reference', ['fixed', 'online'])
def test_a_change_is_an_alarm_and_more_of_the_same_is_none(tiny, reference):
    same = watched('same', '--reference', reference)
    assert not same['alarm'] and same['frames'] == 30 and same['calibration_frames'] == 40
    changed = watched('dark', '--reference', reference, '--level', '0.5')
    assert changed['alarm'] and changed['alarm_at'].startswith('dark/')


def test_files_say_what_was_seen_and_frames_are_measured_once(tiny, monkeypatch):
    calls = []
    measure = UncertaintyInferencer.__call__
    monkeypatch.setattr(UncertaintyInferencer, '__call__', lambda self, *args: calls.append(args) or measure(self, *args))
    first = watched('same', '--every', '2')
    assert len(calls) == 20 + 15
    assert watched('same', '--every', '2') == first and len(calls) == 35
    with open('work_dirs/monitor/frames.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['name'] for row in rows] == [f'same/{index:02}.png' for index in range(0, 30, 2)]
    energies = [float(row['energy']) for row in rows]
    alone = UncertaintyInferencer('tiny.py', 'tiny.pth', 'cpu', show_progress=False)
    expected = [prediction['uncertainty']['energy']['mean'] for prediction in alone([row['name'] for row in rows])['predictions']]
    assert np.allclose(energies, expected, rtol=1e-6)
    assert StreamMonitor.load('work_dirs/monitor/monitor.json').frame == 15
    assert cv2.imread('work_dirs/monitor/monitor.png').shape[1] > 800
    write_image(tiny / 'same/00.png', (32, 32), seed=999)
    watched('same', '--every', '2')
    assert len(calls) == 35 + 1 + 1


@pytest.mark.parametrize('options, message', [
    (('--statistic', 'energi'), "energi: the model has none.*Did you mean energy"), (('--calibration', 'nowhere'), 'nowhere')])
def test_what_cannot_be_watched_is_named(tiny, options, message):
    with pytest.raises(ValueError, match=message):
        call('monitor', ('same', *CALL, *options))

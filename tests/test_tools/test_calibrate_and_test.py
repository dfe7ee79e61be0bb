"""Prediction sets from the command line: calibrate once, then measure their coverage."""
import json

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_uncertainty.engine.checkpoints import read_checkpoint
from tests.test_tools.test_train_and_test import TEST_LOADER
from tests.tiny import TINY_TOY_ROADS, tiny_base, tiny_posthoc

HEADS = {
    'crc': dict(type='ConformalRiskControlHead', num_classes=8, risks=[dict(loss='miscoverage', alpha=0.2)]),
    'kandinsky': dict(type='KandinskyHead', num_classes=8, alpha=0.2, grouping='image'),
}


@pytest.mark.parametrize('name', HEADS)
def test_calibrated_sets_are_measured(run_tool, tmp_path, name):
    calibration = {**TEST_LOADER, 'dataset': {**TEST_LOADER['dataset'], 'split': 'val', 'length': 12}}
    model = tiny_posthoc(dict(msp=dict(type='MSPHead')), classes=8, set_head=HEADS[name])
    settings = {**TINY_TOY_ROADS, 'train_cfg': dict(type='CalibrationLoop'), 'train_dataloader': calibration}
    Config(dict(**settings, model=model, test_dataloader=TEST_LOADER, test_evaluator=dict(type='IoUMetric'),
                test_cfg=dict(type='TestLoop'))).dump(tmp_path / 'config.py')
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(Config(tiny_base(num_classes=8))).state_dict()), tmp_path / 'base.pth')
    run_tool('train', tmp_path / 'config.py', '--load-from', tmp_path / 'base.pth', '--work-dir', tmp_path / 'run')
    fitted = tmp_path / 'run/calibrated.pth'
    assert read_checkpoint(fitted)['meta']['fitted_on']['images'] == 12
    run_tool('test', tmp_path / 'config.py', fitted, '--eval', 'coverage', '--out', tmp_path / 'results.json')
    metrics = json.loads((tmp_path / 'results.json').read_text())['metrics']
    coverage = next(value for key, value in metrics.items() if key.split('/')[-1].startswith('coverage['))
    assert 0 < coverage <= 100

"""Pictures of prediction sets from the command line."""
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from tests.test_tools.test_calibrate_and_test import HEADS
from tests.test_tools.test_train_and_test import TEST_LOADER
from tests.tiny import TINY_TOY_ROADS, tiny_base, tiny_posthoc

PICTURES = {'crc': {'risk_and_size.png'}, 'kandinsky': {'groups.png'}}


@pytest.fixture
def calibrate(run_tool, tmp_path):

    def run(name):
        model = tiny_posthoc({}, classes=8, set_head=HEADS[name]) if name else tiny_posthoc({}, classes=8)
        calibration = {**TEST_LOADER, 'dataset': {**TEST_LOADER['dataset'], 'split': 'val', 'length': 12}}
        settings = {**TINY_TOY_ROADS, 'train_cfg': dict(type='CalibrationLoop'), 'train_dataloader': calibration}
        Config(dict(**settings, model=model, test_dataloader=TEST_LOADER, test_evaluator=dict(type='IoUMetric'),
                    test_cfg=dict(type='TestLoop'))).dump(tmp_path / 'config.py')
        torch.manual_seed(0)
        torch.save(dict(state_dict=MODELS.build(Config(tiny_base(num_classes=8))).state_dict()), tmp_path / 'base.pth')
        if name:
            run_tool('train', tmp_path / 'config.py', '--load-from', tmp_path / 'base.pth', '--work-dir',
                     tmp_path / 'run')

    return run


@pytest.mark.parametrize('name', HEADS)
def test_everything_is_drawn_for_a_calibrated_head(calibrate, run_tool, tmp_path, name):
    calibrate(name)
    checkpoint = tmp_path / 'run/calibrated.pth'
    run_tool('plot_sets', tmp_path / 'config.py', checkpoint, '--out', 'pictures', '--pictures', '2')
    names = {path.name for path in Path('pictures').iterdir()}
    assert names >= PICTURES[name] | {'coverage_error.png'}
    assert sum(name.endswith('_sizes.png') for name in names) == sum(name.endswith('_types.png') for name in names) == 2


def test_a_model_without_sets_is_named(calibrate, run_tool, tmp_path):
    calibrate(None)
    with pytest.raises(ValueError, match='has no set_head'):
        run_tool('plot_sets', tmp_path / 'config.py', tmp_path / 'base.pth', '--out', 'pictures')

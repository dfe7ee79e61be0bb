"""Two processes measure what one does."""
import json
import subprocess
import sys
from pathlib import Path

import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from tests.test_tools.test_train_and_test import TEST_LOADER
from tests.tiny import TINY_TOY_ROADS, tiny_base, tiny_posthoc

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


def test_two_processes_write_the_numbers_of_one(run_tool, tmp_path):
    loader = {**TEST_LOADER, 'dataset': {**TEST_LOADER['dataset'], 'length': 5}}
    model = tiny_posthoc(dict(msp=dict(type='MSPHead'), energy=dict(type='EnergyHead')), classes=8)
    Config(dict(**TINY_TOY_ROADS, model=model, test_dataloader=loader, test_evaluator=dict(type='IoUMetric'),
                test_cfg=dict(type='TestLoop'))).dump(tmp_path / 'config.py')
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(Config(tiny_base(num_classes=8))).state_dict()), tmp_path / 'base.pth')
    arguments = [tmp_path / 'config.py', tmp_path / 'base.pth', '--eval', 'IDM', 'ECE', 'mIoU', '--out']
    run_tool('test', *arguments, tmp_path / 'one.json')
    subprocess.run([sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2', '--standalone',
                    TOOLS / 'test.py', *arguments, tmp_path / 'two.json', '--launcher', 'pytorch'], check=True, timeout=900,
                   cwd=tmp_path)
    one, two = (json.loads((tmp_path / f'{name}.json').read_text()) for name in ('one', 'two'))
    assert one['metrics'] == two['metrics']
    assert one['evaluators'] == two['evaluators']

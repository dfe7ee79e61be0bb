"""Plain Python and the tools fit and measure the same, on a trained model and rendered streets."""
import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmseg.registry import DATASETS, MODELS

import mmseg_uncertainty
from mmseg_uncertainty.engine.checkpoints import read_checkpoint, state_dict_of
from mmseg_uncertainty.models.bases import MMSegBase
from tests.test_tools.conftest import run_tool  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / 'checkpoints/segformer_b0_toy_roads.pth'
SIZE, FITTED, TESTED = (96, 160), 12, 5
EVALUATORS = ['mIoU', 'IDM', 'ECE', 'coverage']
HEADS = dict(msp=dict(type='MSPHead'), sml=dict(type='StandardizedMaxLogitHead'), mahalanobis=dict(type='MahalanobisHead'))
SETS = dict(type='ConformalRiskControlHead', num_classes=8, risks=[dict(alpha=0.25)])


@pytest.fixture
def config():
    """The model and its data, smaller and fewer."""
    config = Config.fromfile(ROOT / 'local_configs/segformer/segformer_b0_toy_roads_CRC.py')
    config.model.update(uncertainty_heads=HEADS, calibrator=dict(type='TemperatureScaling'), set_head=SETS)
    config.train_cfg.calibrator_share = 0.3
    for loader, length in ((config.train_dataloader, FITTED), (config.test_dataloader, TESTED)):
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.update(length=length, size=SIZE)
    return config


def normalized_batches(config, loader):
    """What a loader of plain PyTorch would give: normalized images and label maps."""
    preprocessor = MODELS.build(config.model.data_preprocessor)
    dataset = DATASETS.build(config[loader].dataset)
    batches = [preprocessor(pseudo_collate([dataset[index]])) for index in range(len(dataset))]
    return [(batch['inputs'], [sample.gt_sem_seg.data for sample in batch['data_samples']]) for batch in batches]


def test_temperature_thresholds_and_numbers_are_those_of_the_tools(config, run_tool, tmp_path):  # noqa: F811
    config.dump(tmp_path / 'config.py')
    run_tool('train', tmp_path / 'config.py', '--load-from', BASE, '--work-dir', tmp_path / 'run')
    run_tool('test', tmp_path / 'config.py', tmp_path / 'run/calibrated.pth', '--eval', *EVALUATORS, '--out',
             tmp_path / 'results.json')

    base = MMSegBase(**{key: value for key, value in config.model.items() if key in ('backbone', 'decode_head', 'test_cfg')})
    base.classes = DATASETS.get('ToyRoadsDataset').METAINFO['classes']
    base.network.load_state_dict(state_dict_of(read_checkpoint(BASE)), strict=False)
    model = mmseg_uncertainty.wrap(base, heads=HEADS, calibrator='temperature', sets=dict(alpha=0.25))
    model.fit(normalized_batches(config, 'train_dataloader'), progress=False)
    numbers = mmseg_uncertainty.evaluate(model, normalized_batches(config, 'test_dataloader'), EVALUATORS, progress=False)

    by_tools = state_dict_of(read_checkpoint(tmp_path / 'run/calibrated.pth'))
    own = model.posthoc.state_dict()
    for key in ('calibrator.temperature', 'set_head.thresholds', 'uncertainty_heads.sml.statistics.means',
                'uncertainty_heads.mahalanobis.means'):
        assert torch.equal(own[key], by_tools[key]), key
    assert 0.001 < own['set_head.thresholds'][0] < 0.5
    expected = json.loads((tmp_path / 'results.json').read_text())['metrics']
    assert {key: value for key, value in numbers.items() if value == value} == {
        key: value for key, value in expected.items() if value is not None}

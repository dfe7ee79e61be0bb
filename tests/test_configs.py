"""Every config reads, builds, and freezes the model it names."""
from pathlib import Path

import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS, MODELS

from mmseg_uncertainty.models import PosthocSegmentor

CONFIGS = Path(__file__).resolve().parents[1] / 'local_configs'
# Configs with both flows hold every head of those with one or none.
BUILT = ('FED', 'BASELINES', 'DETECTORS', 'COMBINED', 'CRC', 'KANDINSKY', 'TS', 'CTS', 'LTS', 'VS')
FILES = sorted(path.relative_to(CONFIGS) for path in CONFIGS.glob('*/*.py') if path.parent.name != '_base_')


def read(file):
    try:
        return Config.fromfile(CONFIGS / file)
    except ImportError as error:
        if 'mmpretrain' in str(error):
            pytest.skip('mmpretrain is not installed')
        raise


@pytest.mark.parametrize('file', FILES, ids=str)
def test_config_builds_what_its_name_says(file):
    config = read(file)
    base, _, suffix = file.stem.rpartition('_')
    assert base.startswith(file.parent.name.split('_')[0])
    assert (config.model.type in ('PosthocSegmentor', 'EnsembleSegmentor')) == (suffix != 'BASE')
    if suffix in BUILT:
        assert isinstance(MODELS.build(config.model), PosthocSegmentor)


@pytest.mark.parametrize('file', [file for file in FILES if not file.stem.endswith('_BASE')], ids=str)
def test_dataset_and_schedule_are_complete(file):
    config = read(file)
    assert config.test_dataloader.sampler.round_up is False
    assert DATASETS.get(config.test_dataloader.dataset.type) is not None
    assert config.train_cfg.type in ('IterBasedTrainLoop', 'CalibrationLoop')
    if config.model.get('calibrator') and config.model.get('set_head'):
        assert 0 < config.train_cfg.calibrator_share < 1, 'prediction sets need images that no calibrator was fitted on'

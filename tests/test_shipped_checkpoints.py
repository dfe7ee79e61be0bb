"""Shipped models are what their metafile says."""
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_uncertainty.engine.checkpoints import read_checkpoint, state_dict_of

ROOT = Path(__file__).resolve().parents[1]
ENTRIES = [model for path in yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
           for model in yaml.safe_load((ROOT / path).read_text())['Models']]


@pytest.mark.parametrize('entry', ENTRIES, ids=lambda entry: entry['Name'])
def test_weights_fill_the_model_of_their_config(entry):
    config = Config.fromfile(ROOT / entry['Config'])
    checkpoint = read_checkpoint(ROOT / entry['Weights'])
    missing, unexpected = MODELS.build(config.model).load_state_dict(state_dict_of(checkpoint), strict=False)
    assert not unexpected and all(key.endswith('num_batches_tracked') for key in missing)
    assert len(checkpoint['meta']['dataset_meta']['classes']) == config.model.decode_head.num_classes


def test_nothing_is_shipped_without_an_entry_and_all_is_small():
    files = set((ROOT / 'checkpoints').glob('*.pth'))
    assert files == {ROOT / entry['Weights'] for entry in ENTRIES}
    assert sum(file.stat().st_size for file in files) < 20e6

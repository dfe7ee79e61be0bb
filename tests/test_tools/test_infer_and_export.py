"""From an image and a checkpoint to files on disk, by command."""
import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image

from mmseg_uncertainty.datasets import DatasetError
from tests.tiny import tiny_posthoc


@pytest.fixture
def config(tmp_path):
    model = tiny_posthoc(dict(msp=dict(type='MSPHead')))
    pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
    Config(dict(model=model, test_dataloader=dict(dataset=dict(pipeline=pipeline)))).dump(tmp_path / 'tiny.py')
    return tmp_path / 'tiny.py'


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(Config(tiny_posthoc({}))).state_dict(), meta={}), tmp_path / 'tiny.pth')
    return tmp_path / 'tiny.pth'


def test_a_folder_is_predicted(run_tool, config, checkpoint, tmp_path, capsys):
    (tmp_path / 'own').mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)).save(tmp_path / 'own/street.png')
    (tmp_path / 'own/broken.jpg').write_bytes(b'not a picture')
    with pytest.raises(DatasetError, match='broken.jpg'):
        run_tool('infer', tmp_path / 'own', config, checkpoint, '--out', 'predicted')
    run_tool('infer', tmp_path / 'own', config, checkpoint, '--out', 'predicted', '--skip-broken',
             '--threshold', 'msp=0')
    summary = json.loads((tmp_path / 'predicted/summaries/street.json').read_text())
    assert summary['uncertainty']['msp']['flagged_share'] == 1
    assert summary['model']['config'] == str(config) and len(summary['model']['checkpoint_sha256']) == 64
    assert '1 images predicted, 1 left out' in capsys.readouterr().out


def test_a_model_is_exported(run_tool, config, checkpoint, tmp_path, capsys):
    pytest.importorskip('onnx', reason='onnx is not installed; pip install "mmseg_uncertainty[onnx]"')
    pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    run_tool('export_onnx', config, checkpoint, '--out', tmp_path / 'tiny.onnx', '--sizes', '48x64')
    printed = capsys.readouterr().out
    assert printed.count('labels agree 100.0000 %') == 3 and 'image through the test pipeline, 48x64' in printed
    run_tool('export_onnx', config, checkpoint, '--out', tmp_path / 'tiny.pt', '--sizes', '48x64')
    assert capsys.readouterr().out.count('labels agree 100.0000 %') == 3
